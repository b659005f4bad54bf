"""BatchNorm into the (transposed) convolution before it, in an ONNX graph.

PyTorch's exporter folds most of them itself; graphs from elsewhere arrive with theirs.
"""

import numpy as np
import onnx

from export.graph.batchnorm import BatchNorm, fold
from export.graph.passes.rewrite import Rewrite, attributes, constants, only_reader


def fold_batchnorm(model: onnx.ModelProto) -> list[Rewrite]:
    known = constants(model)
    found = []
    for node in model.graph.node:
        norm = only_reader(model, node.output[0])
        if node.op_type not in ("Conv", "ConvTranspose") or norm is None or norm.op_type != "BatchNormalization":
            continue
        if any(name not in known for name in [*node.input[1:], *norm.input[1:]]) or attributes(norm).get("training_mode", 0):
            continue
        weight = known[node.input[1]].astype(np.float64)
        transposed, groups = node.op_type == "ConvTranspose", attributes(node).get("group", 1)
        if transposed and groups > 1:
            continue  # their output channels are spread over both axes of the weight
        gamma, beta, mean, variance = (known[name].astype(np.float64) for name in norm.input[1:5])
        bias = known[node.input[2]].astype(np.float64) if len(node.input) > 2 else None
        parameters = BatchNorm(gamma, beta, mean, variance, attributes(norm).get("epsilon", 1e-5))
        folded, shift = fold(weight, bias, 1 if transposed else 0, parameters)
        name = norm.output[0]
        values = {f"{name}.weight": folded, f"{name}.bias": shift}
        new = onnx.NodeProto()
        new.CopyFrom(node)
        del new.input[1:], new.output[:]
        new.input.extend(values)
        new.output.append(name)
        channels = weight.shape[0] if transposed else weight.shape[1] * groups
        probe = (2, channels, *([max(3, *weight.shape[2:])] * (weight.ndim - 2)))
        found.append(Rewrite(old=[node, norm], new=[new], constants=values, probe=probe))
    return found
