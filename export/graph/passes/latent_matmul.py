"""The first ConvTranspose, whose input is a single pixel, as a matrix product: y[:, c, i, j] = z · w[:, c, i + p, j + p].

z (N, nz) -> Unsqueeze or Reshape to (N, nz, 1, 1) -> ConvTranspose      becomes      z -> MatMul -> Reshape
"""

import numpy as np
import onnx
from onnx import helper

from export.graph.passes.rewrite import Rewrite, constants, only_reader
from export.graph.passes.transposed import Transposed, transposed_convolutions


def latent_matmul(model: onnx.ModelProto) -> list[Rewrite]:
    made_by = {node.output[0]: node for node in model.graph.node}
    found = []
    for layer in transposed_convolutions(model):
        source = made_by.get(layer.node.input[0])
        if source is not None and _makes_one_pixel(model, source) and only_reader(model, source.output[0]) is not None:
            found.append(_rewrite(source, layer))
    return found


def _makes_one_pixel(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Whether `node` turns the latent z (N, nz) into (N, nz, 1, 1)."""
    if node.input[0] != "z" or len(node.input) < 2 or node.input[1] not in (known := constants(model)):
        return False
    value = known[node.input[1]].tolist()
    if node.op_type == "Unsqueeze":
        return sorted(value) in ([2, 3], [-2, -1])
    return node.op_type == "Reshape" and len(value) == 4 and value[2:] == [1, 1]


def _rewrite(source: onnx.NodeProto, layer: Transposed) -> Rewrite:
    cin, cout, k, _ = layer.weight.shape
    name, p = layer.node.output[0], layer.pad
    size = k - 2 * p + layer.output_padding
    weight = np.zeros((cin, cout, max(k, p + size), max(k, p + size)))
    weight[:, :, :k, :k] = layer.weight
    weight = weight[:, :, p : p + size, p : p + size]
    values = {
        f"{name}.matrix": np.ascontiguousarray(weight.reshape(cin, -1)),
        f"{name}.shape": np.array([-1, cout, size, size]),
    }
    nodes = [helper.make_node("MatMul", ["z", f"{name}.matrix"], [f"{name}.flat"])]
    last = f"{name}.flat"
    if layer.bias is not None:
        values[f"{name}.bias"] = np.repeat(layer.bias, size * size)
        nodes.append(helper.make_node("Add", [last, f"{name}.bias"], [f"{name}.biased"]))
        last = f"{name}.biased"
    nodes.append(helper.make_node("Reshape", [last, f"{name}.shape"], [name]))
    return Rewrite(old=[source, layer.node], new=nodes, constants=values, probe=(2, cin))
