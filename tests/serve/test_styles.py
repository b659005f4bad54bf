"""A generator with a mapping: psi, mixed styles and walks in W, the same on every engine; without one they are refused."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gansample.bundle.open import open_bundle
from gansample.bundle.spec import Spec
from gansample.cli.gan import app as gan
from gansample.errors import ArtefactError, UsageError
from gansample.latents import LatentSpace, latents
from gansample.outputs.metadata import read_metadata
from gansample.sampling.options import SelectionOptions
from gansample.sampling.sampler import Sampler, open_sampler
from gansample.sampling.styles import MixStyles
from gansample.sampling.verify import check_variants
from tests.support.make_style_bundle import LATENT, LAYERS, SIZE, StyleWeights, make_style_bundle
from tests.support.make_tiny_bundle import reseal_bundle
from tests.support.processes import Command

CLASSES = ("ant", "bee", "cat")
ENGINES = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_style_bundle(tmp_path_factory.mktemp("bundles") / "styles")


@pytest.fixture(scope="module")
def classes_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_style_bundle(tmp_path_factory.mktemp("bundles") / "classes", classes=CLASSES)


def near(drawn: np.ndarray, wanted: np.ndarray) -> bool:
    return drawn.shape == wanted.shape and int(np.abs(drawn.astype(int) - wanted.astype(int)).max()) <= 1


@pytest.mark.parametrize("backend", ENGINES)
def test_psi_one_changes_nothing_and_psi_zero_is_one_picture(bundle: Path, backend: str) -> None:
    with open_sampler(bundle, backend) as sampler:
        plain = sampler.sample(range(40))
        assert np.array_equal(sampler.sample(range(40), psi=1), plain)
        mean = sampler.sample(range(40), psi=0)
        assert (mean == mean[0]).all()
        assert near(mean[:1], StyleWeights(0).images(StyleWeights(0).w_avg))
        assert not np.array_equal(plain[0], plain[1])


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("psi", [1, 0.7, -0.5])
def test_a_picture_is_that_of_its_style(classes_bundle: Path, backend: str, psi: float) -> None:
    weights, label = StyleWeights(3), np.arange(9) % 3
    wanted = weights.images(weights.styles(latents(range(9), LATENT), label, psi))
    with open_sampler(classes_bundle, backend) as sampler:
        assert near(sampler.sample(range(9), psi=psi), wanted)
        assert near(sampler.draw(latents(range(9), LATENT), label, psi), wanted)


@pytest.mark.parametrize("backend", ENGINES)
def test_no_batch_changes_a_style(bundle: Path, backend: str) -> None:
    z, psi = latents(range(50), LATENT), np.linspace(-1, 2, 50, dtype=np.float32)
    with open_sampler(bundle, backend) as sampler:
        together = sampler.styles(z, None, psi)
        alone = [sampler.styles(z[i : i + 1], None, psi[i : i + 1]) for i in range(50)]
    assert np.array_equal(together, np.concatenate(alone))


def test_goldens_hold_both_psi(bundle: Path) -> None:
    for check in check_variants(open_bundle(bundle)):
        assert check.verdict == ("PASS" if check.backend.endswith("-cpu") else "NOT RUN")


def test_a_mapping_that_moves_styles_is_found_by_the_goldens(bundle: Path, tmp_path: Path) -> None:
    other = make_style_bundle(tmp_path / "other", classes=CLASSES)
    opened = open_bundle(bundle)
    goldens = dict(np.load(bundle / "golden.npz"))
    goldens["psi"][:] = 1
    from export.bundle_writer.write import npz_bytes

    moved = reseal_bundle(bundle, tmp_path / "moved", variants=list(opened.variants), golden__npz=npz_bytes(**goldens))
    assert {check.verdict for check in check_variants(open_bundle(moved))} == {"FAIL", "NOT RUN"}
    swapped = shutil.copytree(bundle, tmp_path / "swapped")
    shutil.copy(other / "mapping.onnx", swapped / "mapping.onnx")
    with pytest.raises(ArtefactError, match=r"mapping\.onnx"):
        open_sampler(swapped)


def test_a_manifest_with_another_mapping_than_its_graph_knows_is_refused(bundle: Path, tmp_path: Path) -> None:
    other = make_style_bundle(tmp_path / "other", classes=CLASSES)
    changed = reseal_bundle(
        bundle,
        tmp_path / "changed",
        variants=list(open_bundle(bundle).variants),
        mapping__onnx=(other / "mapping.onnx").read_bytes(),
    )
    with pytest.raises(ArtefactError, match="two digests for mapping"):
        open_bundle(changed)


def test_the_graph_alone_is_refused_by_name(bundle: Path) -> None:
    with pytest.raises(ArtefactError, match=r"draws from styles.*mapping\.onnx.*whole bundle folder"):
        open_bundle(bundle / "generator.onnx")


def test_layers_are_those_of_their_seeds(bundle: Path) -> None:
    with open_sampler(bundle) as sampler:
        own = sampler.styles(latents([3, 9], LATENT))
        drawn = sampler.draw_styles(mixed(sampler, "3:0-1,9:2-"))
        w = np.concatenate([own[0, :2], own[1, 2:]])[None]
        assert np.array_equal(drawn, sampler.draw_styles(w))
        assert np.array_equal(sampler.draw_styles(mixed(sampler, "3:0-")), sampler.sample([3]))


def mixed(sampler: Sampler, text: str) -> np.ndarray:
    return MixStyles.parse(text, sampler.spec.latent_space(), LAYERS).styles([0], None, sampler.styles)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3", "cannot read '3'"),
        ("3:", "cannot read"),
        ("3:a-b", "cannot read"),
        ("-3:0-", "cannot read"),
        ("3:0-1", "gives no seed for layer 2, 3"),
        ("3:0-2,4:2-3", "names layer 2 twice"),
        ("3:0-4", "names layer 4: this generator has layers 0 to 3"),
        ("3:9-", "layers"),
        ("3:2-1,4:0-", "run backwards"),
        ("4294967296:0-", "outside"),
    ],
)
def test_what_mixes_no_styles_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        MixStyles.parse(text, LatentSpace(LATENT), LAYERS)


def test_a_mix_says_itself_again() -> None:
    for text in ("3:0-1,9:2-3", "3:0,9:1,3:2-3", "7:0-3"):
        made = MixStyles.parse(text, LatentSpace(LATENT), LAYERS)
        assert made.options() == {"mix_styles": text}


def test_a_walk_is_straight_in_styles(bundle: Path, gansample: Command, tmp_path: Path) -> None:
    done = gansample("--bundle", bundle, "--walk", "1,7", "--frames", 4, "--psi", 0.5, "walk.npz")
    assert done.returncode == 0, done.stderr
    frames = np.load(tmp_path / "walk.npz")["images"]
    with open_sampler(bundle) as sampler:
        first, last = sampler.styles(latents([1, 7], LATENT), None, 0.5)
        shares = np.array([0, 0.25, 0.5, 0.75, 1], np.float32)[:, None, None]
        assert np.array_equal(frames, sampler.draw_styles((1 - shares) * first + shares * last))
        assert np.array_equal(frames[[0, -1]], sampler.sample([1, 7], psi=0.5))


@pytest.mark.parametrize(
    ("options", "psi"),
    [
        (["--n", 3, "--psi", 0.7], 0.7),
        (["--mix-styles", "3:0-1,9:2-", "--psi", 0.5], 0.5),
        (["--walk", "1,7", "--frames", 2], None),
    ],
)
def test_the_metadata_draw_it_again(
    classes_bundle: Path, gansample: Command, tmp_path: Path, options: list[object], psi: float | None
) -> None:
    assert gansample("--bundle", classes_bundle, *options, "--class", "bee", "--upscale", 1, "a.png").returncode == 0
    assert read_metadata(tmp_path / "a.png").get("psi") == psi
    shown = CliRunner().invoke(gan, ["info", str(tmp_path / "a.png"), "--json"])
    command = shlex.split(json.loads(shown.stdout)["command"])
    command[command.index("BUNDLE")] = str(classes_bundle)
    assert gansample(*command[1:-1], "again.png").returncode == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(Image.open(tmp_path / "again.png")))


@pytest.mark.parametrize("options", [["--psi", 0.7], ["--mix-styles", "3:0-1,9:2-"]])
def test_a_generator_without_a_mapping_refuses_by_name(tiny_bundle: Path, gansample: Command, options: list[object]) -> None:
    done = gansample("--bundle", tiny_bundle, *options, "out.png")
    assert done.returncode == 2
    assert str(options[0]) in done.stderr.decode()
    assert "mapping" in done.stderr.decode()
    with open_sampler(tiny_bundle) as sampler, pytest.raises(UsageError, match="psi is about a mapping"):
        sampler.sample([0], psi=1)


@pytest.mark.parametrize("psi", [2.5, -2.5, float("nan"), float("inf")])
def test_a_psi_that_is_none_is_refused(bundle: Path, psi: float) -> None:
    with pytest.raises(UsageError, match="psi is"):
        SelectionOptions(psi=psi)
    with open_sampler(bundle) as sampler, pytest.raises(UsageError, match="psi is"):
        sampler.sample([0], psi=psi)


def test_styles_that_are_none_are_refused(bundle: Path) -> None:
    with open_sampler(bundle) as sampler:
        with pytest.raises(UsageError, match=r"takes \(N, 4, 5\)"):
            sampler.draw_styles(np.zeros((2, LAYERS, SIZE + 1), np.float32))
        with pytest.raises(UsageError, match="NaN"):
            sampler.draw_styles(np.full((2, LAYERS, SIZE), np.nan, np.float32))
        with pytest.raises(UsageError, match="one for each latent"):
            sampler.draw(latents(range(2), LATENT), None, np.ones(3, np.float32))


def test_info_says_that_there_are_styles(bundle: Path) -> None:
    shown = CliRunner().invoke(gan, ["info", str(bundle)]).stdout
    assert "from 6 normally distributed numbers, through 4 styles of 5 (--psi, --mix-styles)" in shown


def test_schema_one_is_written_where_there_is_no_mapping(tiny_bundle: Path, bundle: Path) -> None:
    assert json.loads((tiny_bundle / "bundle.json").read_text())["schema"] == 1
    document = json.loads((bundle / "bundle.json").read_text())
    assert document["schema"] == 2
    for change, words in (
        ({"schema": 3}, "reads 1 and 2"),
        ({"mapping": None}, "has no mapping"),
        ({"mapping": {"layers": 0}}, "mapping"),
        ({"mapping": {**document["mapping"], "layers": 1024, "size": 2048}}, "more than 1,048,576 numbers"),
    ):
        with pytest.raises(ArtefactError, match=words):
            Spec.from_dict({**document, **change}, "bundle.json")
