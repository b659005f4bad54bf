"""Plain int8: NNCF puts a quantiser before every layer, with ranges and weight steps from calibration latents.

It also puts some where no layer gains by them: after the last activation (the pictures in 256 levels, which are not those of a
picture), on latents that a float layer reads, before a BatchNorm. `without_idle_quantisers` takes them out.
"""

import contextlib
import io
import logging
from typing import Any

from openvino import opset13

from export.variants.int8.layers import constant_value, feeds, origins, quantised_layers, reads_a_table
from gansample.types import Labels, Latents

CALIBRATION_BATCH = 64
MOVES = {"Reshape", "Unsqueeze", "Squeeze", "Transpose", "Concat", "Interpolate", "Pad", "DepthToSpace", "FakeQuantize"}


def quantise(model: Any, z: Latents, label: Labels | None, *, bias_correction: bool = False) -> Any:
    """A quantised copy of an OpenVINO model.

    bias_correction  NNCF's own; off where round_weights.refit corrects the bias afterwards.
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    batches = list(feeds(model, z, label, CALIBRATION_BATCH))
    advanced = nncf.AdvancedQuantizationParameters(disable_bias_correction=not bias_correction)
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bar would end up in our --json
        return nncf.quantize(model.clone(), nncf.Dataset(batches), subset_size=len(batches), advanced_parameters=advanced)


def without_idle_quantisers(model: Any, float_model: Any) -> Any:
    """A copy without the FakeQuantize nodes that no quantised layer and no sum reads, and with float tables and weights where
    they are looked up or multiplied with float values: both cost fidelity and save no time."""
    copy = model.clone()
    originals = {op.get_friendly_name(): op for op in float_model.get_ops()}
    for node in copy.get_ordered_ops():
        if reads_a_table(node):
            for port in (0, 1):
                original = originals[node.get_friendly_name()].input_value(port).get_node()
                if node.input_value(port).get_node().get_type_name() == "Multiply" and original.get_type_name() == "Constant":
                    node.input(port).replace_source_output(opset13.constant(constant_value(original)).output(0))
    busy: set[str] = set()
    layers = {layer.node.get_friendly_name() for layer in quantised_layers(copy)}
    for node in reversed(copy.get_ordered_ops()):
        readers = [reader for output in node.outputs() for reader in output.get_target_inputs()]
        if any(_is_busy(reader.get_node(), reader.get_index(), layers, busy) for reader in readers):
            busy.add(node.get_friendly_name())
        elif node.get_type_name() == "FakeQuantize":
            node.output(0).replace(node.input_value(0))
    for node in copy.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize" and _is_quantised(node.input_value(0).get_node()):
            node.output(0).replace(node.input_value(0))
    copy.validate_nodes_and_infer_types()
    return copy


def _is_quantised(node: Any) -> bool:
    """Whether these values are on a quantiser's levels already: NNCF quantises before and after a nearest upsampling, and a
    range that is then changed at one end only rounds them twice."""
    return {origin.get_type_name() for origin in origins(node)} == {"FakeQuantize"}


def _is_busy(reader: Any, port: int, layers: set[str], busy: set[str]) -> bool:
    """Whether int8 is computed with behind this input: by a quantised layer or a sum, at once or after being moved about."""
    if reader.get_type_name() in MOVES:
        return reader.get_friendly_name() in busy
    if reader.get_type_name() == "Add":
        other: str = reader.input_value(1 - port).get_node().get_type_name()
        return other != "Constant"
    return port == 0 and reader.get_friendly_name() in layers
