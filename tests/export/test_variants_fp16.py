"""The fp16 variant rounds where a GPU rounds, as torch does, and keeps in float32 what a half cannot hold."""

import copy
from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from torch import Tensor, nn

from export.export_model import ExportModel, Rendered, render
from export.graph.half import cast_to_half, half_nodes
from export.graph.half_range import measure_peaks
from export.graph.to_onnx import ExportedGraph, export_graph
from export.parity.reference import unrounded_psnr_db
from export.variants import onnx_fp16
from export.variants.base import VariantUnavailable
from gansample.bundle.fidelity import GATES, compare
from gansample.bundle.spec import Spec
from gansample.latents import latents
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner

SPEC = Spec(name="small", latent_size=16, height=16, width=16, channels=3)


class Deconvolutions(nn.Module):
    """16 latents to 3×16×16 by three transposed convolutions, without normalisation, so that torch can run it in half."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.first = nn.ConvTranspose2d(16, 32, 4)
        self.second = nn.ConvTranspose2d(32, 16, 4, 2, 1)
        self.third = nn.ConvTranspose2d(16, 3, 4, 2, 1)
        with torch.no_grad():
            self.second.weight *= gain
            self.third.weight /= gain

    def features(self, z: Tensor) -> Tensor:
        x: Tensor = self.third(self.second(self.first(z[:, :, None, None]).relu()).relu())
        return x

    def forward(self, z: Tensor) -> Tensor:
        return self.features(z).mul(3).tanh()


@pytest.fixture(scope="module")
def small() -> tuple[ExportModel, ExportedGraph]:
    return _exported(1.0)


@pytest.fixture(scope="module")
def loud() -> tuple[ExportModel, ExportedGraph]:
    """The same pictures, but the second layer's values pass 65,504 and the third's weights vanish below the smallest half."""
    return _exported(1e6)


def _exported(gain: float) -> tuple[ExportModel, ExportedGraph]:
    torch.manual_seed(0)
    generator = ExportModel(Deconvolutions(gain), SPEC)
    return generator, export_graph(generator)


def _expected(generator: ExportModel, z: np.ndarray) -> Rendered:
    return render(generator.in_precision(torch.float64), z)


def test_the_variant_passes_its_gate_and_its_file_has_the_same_generator(small: tuple[ExportModel, ExportedGraph]) -> None:
    built = onnx_fp16.build(*small)
    z = latents(range(256), SPEC.latent_size)
    with built.open() as runner:
        seen = compare(runner.run(z, None), _expected(small[0], z).images)
    assert not GATES["fp16"].failures(seen)
    assert seen.mean_step > 0, "an emulation that rounds nothing was judged"
    OnnxRuntimeRunner(built.files[onnx_fp16.FILE], SPEC).close()  # z float32 in, uint8 out, sealed spec and all
    assert not built.measured_here


def test_convolutions_compute_in_half_and_the_head_in_float32(small: tuple[ExportModel, ExportedGraph]) -> None:
    model = onnx.load_from_string(onnx_fp16.build(*small).files[onnx_fp16.FILE])
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {v.name: v.type.tensor_type.elem_type for v in [*inferred.value_info, *inferred.input, *inferred.output]}
    types |= {weight.name: weight.data_type for weight in inferred.initializer}
    for node in inferred.node:
        if node.op_type == "ConvTranspose":
            assert {types[name] for name in [*node.input, *node.output]} == {TensorProto.FLOAT16}
        if node.op_type in ("Tanh", "Clip", "Round", "Transpose"):
            assert types[node.output[0]] == TensorProto.FLOAT
    casts = Counter(node.op_type for node in inferred.node)["Cast"]
    assert casts == 3, "one down behind the input, one up before the head, one to uint8"


def test_the_emulation_rounds_what_torch_rounds(small: tuple[ExportModel, ExportedGraph]) -> None:
    """Two independent half computations with float32 sums are nearer to each other than either is to float64.

    torch's own half kernels sum as the processor at hand can, some of them in half: so torch rounds here and sums in float32.
    """
    generator, graph = small
    z = latents(range(64), SPEC.latent_size)
    session = onnxruntime.InferenceSession(
        cast_to_half(onnx.load_from_string(graph.debug_graph), emulate=True).SerializeToString()
    )
    emulated = session.run(["levels"], {"z": z})[0]
    network: Any = copy.deepcopy(generator.in_precision(torch.float32).network)
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    for layer in (network.first, network.second, network.third):
        layer.register_forward_hook(lambda layer, taken, given: given.half().float())
    with torch.no_grad():
        torch_half = generator.head(network.features(torch.from_numpy(z).half().float()).mul(3).tanh())
    expected = _expected(generator, z).unrounded
    ours, theirs = unrounded_psnr_db(emulated, expected), unrounded_psnr_db(torch_half.numpy(), expected)
    assert abs(ours - theirs) < 1.0
    assert unrounded_psnr_db(emulated, torch_half.double().numpy()) > ours + 3


def test_every_half_result_of_the_emulation_is_a_half(small: tuple[ExportModel, ExportedGraph]) -> None:
    debug_graph = onnx.load_from_string(small[1].debug_graph)
    emulation = cast_to_half(debug_graph, emulate=True)
    names = [node.output[0] for node in half_nodes(debug_graph)]
    emulation.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(emulation.SerializeToString())
    for values in session.run(names, {"z": latents(range(4), SPEC.latent_size)}):
        assert np.array_equal(values, values.astype(np.float16).astype(np.float32))


def test_the_peak_of_every_layer_is_recorded_under_its_own_name(small: tuple[ExportModel, ExportedGraph]) -> None:
    peaks = {peak.layer: peak for peak in measure_peaks(onnx.load_from_string(small[1].debug_graph), SPEC, range(32))}
    with torch.no_grad():
        z = latents(range(32), SPEC.latent_size)
        stretched = z * (5 / np.abs(z).max(axis=1, keepdims=True))
        network: Any = small[0].network
        first = network.first(torch.from_numpy(np.concatenate([z, stretched]))[:, :, None, None]).abs().max()
    assert {"first", "second", "third"} <= peaks.keys()
    assert peaks["first"].peak == pytest.approx(float(first), rel=1e-4)
    assert peaks["first"].headroom == pytest.approx(65_504 / float(first), rel=1e-4)


def test_layers_that_leave_the_range_keep_float32(
    loud: tuple[ExportModel, ExportedGraph], caplog: pytest.LogCaptureFixture
) -> None:
    generator, graph = loud
    caplog.set_level("INFO", "export")
    built = onnx_fp16.build(generator, graph)
    kept = built.notes["kept_float32"]
    assert {"second", "third"} <= set(kept)
    assert "first" not in kept
    assert f"{len(kept)} of {len(built.notes['peaks'])} nodes keep float32" in caplog.messages[0]
    z = latents(range(64), SPEC.latent_size)
    with built.open() as runner:
        assert not GATES["fp16"].failures(compare(runner.run(z, None), _expected(generator, z).images))


def test_without_that_the_same_generator_breaks(loud: tuple[ExportModel, ExportedGraph]) -> None:
    """Or the test above would pass with nothing kept."""
    z = latents(range(8), SPEC.latent_size)
    session = onnxruntime.InferenceSession(
        cast_to_half(onnx.load_from_string(loud[1].debug_graph), emulate=True).SerializeToString()
    )
    broken = session.run(["levels"], {"z": z})[0]
    assert not np.allclose(broken, _expected(loud[0], z).unrounded, atol=10)


def test_a_generator_without_anything_to_gain_is_not_run(small: tuple[ExportModel, ExportedGraph]) -> None:
    class Waves(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z.repeat(1, 48).sin().reshape(-1, 3, 16, 16)

    generator = ExportModel(Waves(), SPEC)
    with pytest.raises(VariantUnavailable, match="no layer of this generator gains from half precision"):
        onnx_fp16.build(generator, export_graph(generator))


def test_the_receipt_says_what_was_executed(small: tuple[ExportModel, ExportedGraph]) -> None:
    notes = onnx_fp16.build(*small).notes
    assert notes["executed"]["gpu"].startswith("NOT RUN")
    assert "computes it in float32" in notes["executed"]["file"]
    assert [peak["headroom"] for peak in notes["peaks"]] == sorted(peak["headroom"] for peak in notes["peaks"])
