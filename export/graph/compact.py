"""Half the size: weights that fit half precision, and a file that stores them so. Not one picture differs between the two.

The weights are rounded *before* the reference is drawn, so every variant is compared with the rounded network; how far that one
is from the trained network is measured first, by the gate of a half-precision variant. In the file every large
tensor is float16 behind a Cast, which runtimes undo once, when they load it.
"""

import copy
import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from export.effort import fewer
from export.export_model import ExportModel, cycled_labels, render_batches
from export.graph.batchnorm import BatchNorm, fold
from export.graph.to_onnx import ExportedGraph, from_debug_graph
from gansample.bundle.fidelity import GATES, RunningFidelity
from gansample.bundle.spec import Spec
from gansample.errors import ParityError

SEEDS = 256
LARGE = 1024  # numbers; smaller tensors are not worth a node


def compact_weights(generator: ExportModel) -> ExportModel:
    """The generator with BatchNorm folded into its weights and those rounded to half precision, with what that changed noted.

    Raises ParityError where the pictures change by more than a half-precision variant may change them.
    """
    network = copy.deepcopy(generator.network).float().eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            _fold_batchnorms(module)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.numel() >= LARGE:
                parameter.copy_(parameter.half().float())
    receipt = _receipt(generator, ExportModel(network, generator.spec))
    document = generator.spec.to_dict()
    document["provenance"] = {**document["provenance"], "weights": receipt}
    return ExportModel(network, Spec.from_dict(document, generator.spec.name))


def store_as_half(graph: ExportedGraph, spec: Spec) -> ExportedGraph:
    """The graph with every large tensor that half precision holds exactly stored as float16."""
    debug_graph = onnx.load_from_string(graph.debug_graph)
    casts = []
    for index, tensor in enumerate(debug_graph.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LARGE:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        debug_graph.graph.initializer[index].CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.float", to=TensorProto.FLOAT))
    nodes = [*casts, *debug_graph.graph.node]
    del debug_graph.graph.node[:]
    debug_graph.graph.node.extend(nodes)
    return from_debug_graph(debug_graph, spec)


def _receipt(trained: ExportModel, rounded: ExportModel) -> dict[str, Any]:
    spec = trained.spec
    n = fewer(spec, SEEDS, least=16)
    z, label, seen = spec.latents(range(n)), cycled_labels(spec, n), RunningFidelity()
    drawn = (render_batches(generator.in_precision(torch.float64), z, label) for generator in (rounded, trained))
    for found, wanted in zip(*drawn, strict=True):
        seen.add(found.images, wanted.images)
    fidelity = seen.result()
    if failures := GATES["fp16"].failures(fidelity):
        raise ParityError(
            f"weights in half precision change the pictures too much ({'; '.join(failures)})", "export without --compact"
        )
    decibels = round(fidelity.psnr_db, 2) if math.isfinite(fidelity.psnr_db) else None  # where no weight is large enough
    changed = {"pictures": n, "mean_step": round(fidelity.mean_step, 5), "psnr_db": decibels}
    return {"stored": "fp16", "against_trained": changed}


def _fold_batchnorms(layers: nn.Sequential) -> None:
    """Put every BatchNorm into the linear layer or (transposed) convolution before it."""
    acting = [(name, layer) for name, layer in layers.named_children() if not isinstance(layer, nn.Unflatten)]
    for (_, layer), (name, norm) in pairwise(acting):
        linear = isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        if linear and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and norm.running_mean is not None:
            _fold_into(layer, norm)
            layers._modules[name] = nn.Identity()


@torch.no_grad()
def _fold_into(layer: Any, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    weight = _float64(layer.weight)
    gamma = _float64(norm.weight) if norm.affine else np.ones(norm.num_features)
    beta = _float64(norm.bias) if norm.affine else np.zeros(norm.num_features)
    parameters = BatchNorm(gamma, beta, _float64(norm.running_mean), _float64(norm.running_var), norm.eps)
    axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    folded, shift = fold(weight, _float64(layer.bias) if layer.bias is not None else None, axis, parameters)
    layer.weight.copy_(torch.from_numpy(folded).float())
    layer.bias = nn.Parameter(torch.from_numpy(shift).float(), requires_grad=False)


def _float64(tensor: torch.Tensor | None) -> npt.NDArray[np.float64]:
    assert tensor is not None
    return np.asarray(tensor.detach().double().numpy())
