"""int8 transposed convolutions as int8 convolutions of their phases: the same integers are multiplied and summed.

    deconvolution ── bias ── ReLU ── FakeQuantize       becomes
    convolution ── bias ── ReLU ── FakeQuantize ── DepthToSpace ── crop

Weights keep their values and steps, every sum has the same terms, so a quantised layer gives the same bits
(tests/export/test_int8_phases.py). It is faster where the processor multiplies int8 in one instruction: OpenVINO's kernels of
convolutions make more of VNNI than those of deconvolutions do, and a layer that stays in float is then computed in bf16, which
deconvolutions never are. With AVX2 alone it cost 4 %. So it is measured, for the model as a whole.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import Model, Node, opset13

from export.graph.passes.measure import COSTS
from export.graph.passes.phases import Phases, phases_of
from export.variants.int8.layers import constant_value
from export.variants.int8.timing import block_times, opened_for_rows, timed_rows, times_as_fast
from gansample.runtimes.openvino_cpu import HINTS
from gansample.types import Labels, Latents

logger = logging.getLogger(__name__)

PASS = "phase convolution"
# One value in, one value out, wherever it stands; the others of their inputs are constants.
VALUE_BY_VALUE = frozenset(
    {"Relu", "PRelu", "Elu", "Tanh", "Sigmoid", "SoftPlus", "Clamp", "Minimum", "Maximum"}
    | {"Add", "Subtract", "Multiply", "Divide", "FakeQuantize"}
)

Form = Callable[[Model], Model]
"""What becomes of a model before it is measured or ships."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenForm:
    """In which form the transposed convolutions ship."""

    places: int
    speedup: float | None
    """Of the phases over the deconvolutions; None where another export had decided."""
    kept: bool

    def __call__(self, model: Model) -> Model:
        return in_phases(model) if self.kept else model

    def to_dict(self) -> dict[str, Any]:
        speedup = {"speedup": round(self.speedup, 3)} if self.speedup is not None else {}
        return {"pass": PASS, "places": self.places, **speedup, "kept": self.kept}


def choose_form(model: Model, z: Latents, label: Labels | None, decided: bool | None = None) -> ChosenForm:
    """Phases, unless they are measured to cost; `decided` spares the measuring."""
    places = len(list(_strided(model)))
    if not places or decided is not None:
        return ChosenForm(places=places, speedup=None, kept=bool(places and decided))
    n = timed_rows(model, z)
    requests = [opened_for_rows(each, HINTS["int8"], n) for each in (in_phases(model), model)]
    speedup = times_as_fast(*block_times(requests, model, z, label))
    logger.info(f"openvino-int8: {PASS}, {speedup:.2f}× as fast, {'kept' if speedup >= COSTS else 'dropped'}")
    return ChosenForm(places=places, speedup=speedup, kept=speedup >= COSTS)


def in_phases(model: Model) -> Model:
    """A copy with a convolution in the place of every strided transposed convolution."""
    copy = model.clone()
    for node in list(_strided(copy)):
        _replace(node)
    copy.validate_nodes_and_infer_types()
    return copy


def _strided(model: Model) -> Iterator[Node]:
    """Square, dense ones with a constant weight, alike in both directions."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "ConvolutionBackpropData" or node.get_input_size() > 2 or _weight_of(node) is None:
            continue
        has = node.get_attributes()
        kernel = [size.get_length() for size in list(node.get_input_partial_shape(1))[2:]]
        alike = [kernel, has["strides"], has["output_padding"], [*has["pads_begin"], *has["pads_end"]]]
        plain = len(kernel) == 2 and has["auto_pad"] == "explicit" and set(has["dilations"]) == {1}
        if plain and all(len(set(values)) == 1 for values in alike) and has["strides"][0] > 1:
            yield node


def _weight_of(node: Node) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None] | None:
    """A layer's weight (Cin, Cout, k, k), and its steps if it is quantised; None where it is neither form."""
    source = node.input_value(1).get_node()
    if source.get_type_name() == "Constant":
        return constant_value(source), None
    if source.get_type_name() != "Multiply":
        return None
    weight, step = (_folded(source.input_value(port).get_node()) for port in (0, 1))
    if weight is None or weight.dtype != np.int8 or step is None:
        return None
    return (weight, step) if step.size == 1 or step.shape == (1, weight.shape[1], 1, 1) else None


def _replace(node: Node) -> None:
    found = _weight_of(node)
    assert found is not None
    weight, step = found
    has, channels = node.get_attributes(), weight.shape[1]
    phases = phases_of(weight, has["strides"][0], has["pads_begin"][0], has["output_padding"][0])
    begin, end = ([size, size] for size in phases.pads)
    source = opset13.constant(phases.weight)
    if step is not None:
        steps = np.broadcast_to(step, (1, channels, 1, 1)).reshape(channels, 1, 1, 1)
        source = opset13.multiply(opset13.convert(source, np.float32), opset13.constant(phases.per_channel(steps, 0)))
    layer = opset13.convolution(node.input_value(0), source, [1, 1], begin, end, [1, 1])
    full = opset13.depth_to_space(layer, "blocks_first", phases.stride)
    axes = [[phases.crop[0]] * 2, [phases.crop[1]] * 2, [1, 1], [2, 3]]
    cropped = opset13.slice(full, *(opset13.constant(np.array(each)) for each in axes))
    first = last = node.output(0)
    while (reader := _only_reader(last)) is not None:
        port, behind = reader
        constants = _constants(behind, port, phases, channels)
        if constants is None:
            break
        for place, value in constants.items():
            behind.input(place).replace_source_output(opset13.constant(value).output(0))
        last = behind.output(0)
    for each in list(last.get_target_inputs()):
        each.replace_source_output(cropped.output(0))
    if last is not first:  # in front of the interleaving, whose shape holds all the while
        for each in list(first.get_target_inputs()):
            each.replace_source_output(layer.output(0))
        full.input(0).replace_source_output(last)
    layer.set_friendly_name(node.get_friendly_name())


def _only_reader(output: Any) -> tuple[int, Node] | None:
    """The node that reads `output`, and at which port, if it is the only one and computes value by value."""
    readers = list(output.get_target_inputs())
    if len(readers) != 1 or readers[0].get_node().get_type_name() not in VALUE_BY_VALUE:
        return None
    return readers[0].get_index(), readers[0].get_node()


def _constants(node: Node, port: int, phases: Phases, channels: int) -> dict[int, npt.NDArray[Any]] | None:
    """What the node's other inputs hold, for every phase; None where one is no constant or differs from place to place."""
    found = {}
    for place in range(node.get_input_size()):
        if place == port:
            continue
        value = _folded(node.input_value(place).get_node())
        repeated = phases.repeated(value, channels) if value is not None else None
        if repeated is None:
            return None
        found[place] = repeated
    return found


def _folded(node: Node) -> npt.NDArray[Any] | None:
    """The value of a Constant, or of one behind a Convert or Reshape."""
    if node.get_type_name() in ("Constant", "Convert"):
        inner = node if node.get_type_name() == "Constant" else node.input_value(0).get_node()
        return constant_value(inner) if inner.get_type_name() == "Constant" else None
    if node.get_type_name() == "Reshape" and node.get_output_partial_shape(0).is_static:
        inner_value = _folded(node.input_value(0).get_node())
        return inner_value.reshape(list(node.get_output_shape(0))) if inner_value is not None else None
    return None
