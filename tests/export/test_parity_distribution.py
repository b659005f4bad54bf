"""The distribution test: the distances are the published ones, a wrong distribution leaves the floor, rounding does not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.parity.distribution import DistributionTest, Normal, frechet_distance, kernel_pairs, measure
from export.parity.features import features_from_file, random_features, random_network
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError

N = 256


def pictures(seed: int, n: int = N, size: int = 16, channels: int = 3) -> np.ndarray:
    """Smooth random blobs: neighbouring pixels belong together, as in pictures."""
    stream = np.random.RandomState(seed)
    coarse = stream.standard_normal((n, size // 4, size // 4, channels))
    smooth = coarse.repeat(4, axis=1).repeat(4, axis=2)
    return (smooth * 45 + 127.5).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def distribution() -> DistributionTest:
    features = random_features(3)
    return DistributionTest.fit(features, features.extract(pictures(0)), features.extract(pictures(1)))


def test_frechet_distance_of_known_gaussians() -> None:
    """|μ₁ − μ₂|² + Σ(σ₁ − σ₂)² for independent components, approached by many samples."""
    stream = np.random.RandomState(0)
    a = stream.standard_normal((40_000, 2)) * [1, 2]
    b = stream.standard_normal((40_000, 2)) * [3, 2] + [1, 0]
    assert frechet_distance(*(Normal.fit(x, np.ones(len(a))) for x in (a, b))) == pytest.approx(1 + 4, abs=0.1)
    assert frechet_distance(*(Normal.fit(x, np.ones(len(a))) for x in (a, a))) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_with_weights_is_the_distance_of_repeated_rows() -> None:
    stream = np.random.RandomState(0)
    a, b = stream.standard_normal((2, 50, 3))
    weight = stream.randint(0, 3, 50)
    repeated = frechet_distance(*(Normal.fit(x.repeat(weight, axis=0), np.ones(weight.sum())) for x in (a, b)))
    assert frechet_distance(*(Normal.fit(x, weight.astype(float)) for x in (a, b))) == pytest.approx(repeated)


def test_kernel_distance_is_the_unbiased_estimate_written_out() -> None:
    a, b = np.random.RandomState(0).standard_normal((2, 6, 4))

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 4 + 1) ** 3)

    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    by_hand = np.mean([k(a[i], a[j]) + k(b[i], b[j]) - k(a[i], b[j]) - k(a[j], b[i]) for i, j in pairs])
    assert kernel_pairs(a, b).sum() / len(pairs) == pytest.approx(by_hand)


def test_kernel_distance_of_the_same_distribution_is_about_zero() -> None:
    a, b = np.random.RandomState(0).standard_normal((2, 400, 4))
    shift = measure(a, b)
    assert shift.kernel.low < 0 < shift.kernel.high


def test_the_interval_holds_the_distance(distribution: DistributionTest) -> None:
    for distance in (distribution.floor.frechet, distribution.floor.kernel):
        assert distance.low <= distance.value <= distance.high


def test_a_step_of_rounding_noise_stays_inside_the_floor(distribution: DistributionTest) -> None:
    noise = np.random.RandomState(2).randint(-2, 3, (N, 16, 16, 3))
    noisy = (pictures(0).astype(int) + noise).clip(0, 255).astype(np.uint8)
    shift = distribution.shift(distribution.features.extract(noisy))
    assert distribution.failures(shift) == []
    assert 0 < shift.frechet.value < distribution.floor.frechet.value / 10


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda images: images // 2, id="darker"),
        pytest.param(lambda images: (images.astype(float) * 0.7 + 38).astype(np.uint8), id="less-contrast"),
        pytest.param(lambda images: images[np.arange(N) % 4], id="four-pictures-only"),
        pytest.param(lambda images: np.roll(images, 1, axis=-1) // 2 + 60, id="other-colours"),
    ],
)
def test_a_wrong_distribution_leaves_the_floor(wrong, distribution: DistributionTest) -> None:
    failures = distribution.failures(distribution.shift(distribution.features.extract(wrong(pictures(0)))))
    assert any("differ from the reference's by more than other seeds do: " in failure for failure in failures)


def test_the_random_network_never_changes() -> None:
    """Distances are comparable between versions only while these bytes' weights stay: a change needs a new name."""
    model = onnx.load_from_string(random_network(3))
    weights = b"".join(numpy_helper.to_array(tensor).tobytes() for tensor in model.graph.initializer)
    assert digest(weights) == "5badc5bf3066bcfa42995a8c3445853446bd1d2a0641be78f50d86bc60adb7d8"
    of = random_features(3).extract(pictures(0, n=2))
    assert of.shape == (2, 112)


def feature_file(path: Path, elem_type: int, shape: list[str | int], output: list[str | int]) -> Path:
    """A network that means over everything but batch and channels, with the declared generator."""
    planes = elem_type == TensorProto.FLOAT
    axes = numpy_helper.from_array(np.array([2, 3] if planes else [1, 2]), "axes")
    nodes = [
        helper.make_node("Cast", ["pictures"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["out"], keepdims=int(len(output) == 4)),
    ]
    graph = helper.make_graph(
        nodes,
        "features",
        [helper.make_tensor_value_info("pictures", elem_type, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, output)],
        [axes],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString())
    return path


@pytest.mark.parametrize(
    ("elem_type", "shape", "expected"),
    [
        (TensorProto.UINT8, ["N", "H", "W", "C"], lambda images: images.mean(axis=(1, 2))),
        (TensorProto.FLOAT, ["N", 3, "H", "W"], lambda images: (images / 127.5 - 1).mean(axis=(1, 2))),
        (TensorProto.FLOAT, ["N", 3, 32, 32], lambda images: (images / 127.5 - 1).mean(axis=(1, 2))),
    ],
    ids=["bytes", "floats", "fixed-size"],
)
def test_your_own_feature_network(elem_type, shape, expected, tmp_path: Path) -> None:
    features = features_from_file(feature_file(tmp_path / "mine.onnx", elem_type, shape, ["N", 3]))
    images = pictures(0, n=4)
    np.testing.assert_allclose(features.extract(images), expected(images), atol=0.02 if 32 not in shape else 0.05 * 128)
    assert features.name.startswith("mine.onnx ")


def test_grey_pictures_are_repeated_for_a_colour_network(tmp_path: Path) -> None:
    features = features_from_file(feature_file(tmp_path / "c.onnx", TensorProto.FLOAT, ["N", 3, "H", "W"], ["N", 3]))
    of = features.extract(pictures(0, n=4, channels=1))
    assert of.shape == (4, 3)
    assert (of == of[:, :1]).all()


def test_what_is_no_feature_network_is_refused(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"no protobuf at all")
    with pytest.raises(ArtefactError, match="refuses"):
        features_from_file(garbage)
    images = feature_file(tmp_path / "pictures.onnx", TensorProto.FLOAT, ["N", 3, "H", "W"], ["N", 3, 1, 1])
    with pytest.raises(ArtefactError, match="no feature network"):
        features_from_file(images)
