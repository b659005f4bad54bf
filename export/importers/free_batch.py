"""A module that works in one batch size only, made to work in any: `view(64, 128, 7, 7)`, `.squeeze()` and their kind.

The module is traced at the batch it can do, and in the graph that batch size is replaced by the size of the input, a `squeeze`
of whatever is 1 by a squeeze of what was 1. That is a guess about what the numbers meant, so it is proven: the result must draw
what the module draws in its own batches.
"""

import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from export.importers.call_signature import CallSignature, GeneratorAdapter, inputs
from gansample.errors import ArtefactError

SIZED = {"view", "reshape", "_unsafe_view", "expand", "zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full"}
PROVEN_AT = (1, 2, 3, 5)  # batch sizes, beside the module's own


@torch.no_grad()
def free_batch(adapter: GeneratorAdapter) -> GeneratorAdapter:
    """`adapter` for any batch size.

    Raises ArtefactError where the graph does not draw what the module draws.
    """
    signature = adapter.signature
    batch = signature.batch or 2
    z, label = _example(signature, batch)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's deprecations are between PyTorch and itself
            program = torch.export.export(adapter.module, inputs(signature, z, label))
            traced = program.module(check_guards=False)
            free = GeneratorAdapter(_rewritten(traced, batch), replace(signature, batch=None))
        proven = all(_same(adapter, free, n) for n in (*PROVEN_AT, batch, batch + 1))
    except Exception as error:  # tracing and running a foreign graph can raise anything
        raise ArtefactError(
            f"the generator takes batches of {batch} only ({' '.join(str(error).split())[:120]})",
            "write -1 or z.shape[0] instead of the batch size in its forward",
        ) from error
    if not proven:
        raise ArtefactError(
            f"the generator takes batches of {batch} only, and draws something else where its batch size is replaced",
            "write -1 or z.shape[0] instead of the batch size in its forward",
        )
    return free


def _rewritten(module: nn.Module, batch: int) -> torch.fx.GraphModule:
    assert isinstance(module, torch.fx.GraphModule)
    module._forward_pre_hooks.clear()  # the check that the batch is the traced one
    for forbidden in ("train", "eval"):  # which an exported module only refuses; this one has no mode
        module.__dict__.pop(forbidden, None)
    graph = module.graph
    first = next(node for node in graph.nodes if node.op == "placeholder")
    with graph.inserting_after(first):
        size = graph.call_function(torch.ops.aten.sym_size.int, (first, 0))
    for node in graph.nodes:
        name = getattr(node.target, "_opname", "") if node.op == "call_function" else ""
        if name in SIZED:
            node.args = tuple(_with_size(argument, batch, size) for argument in node.args)
        elif name == "squeeze" and len(node.args) == 1:
            shape = node.args[0].meta["val"].shape
            ones = [i for i, length in enumerate(shape) if length == 1 and i > 0]
            if not ones:
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)
                continue
            node.target, node.args = torch.ops.aten.squeeze.dims, (node.args[0], ones)
    graph.set_codegen(torch.fx.graph.CodeGen())  # tensors in, a tuple of tensors out: no trees to take apart at every call
    graph.lint()
    plain = torch.fx.GraphModule(module, graph)
    plain.meta = {}
    return plain


def _with_size(argument: Any, batch: int, size: torch.fx.Node) -> Any:
    if isinstance(argument, (list, tuple)) and argument and argument[0] == batch:
        return [size, *argument[1:]]
    return argument


def _same(adapter: GeneratorAdapter, free: GeneratorAdapter, n: int) -> bool:
    z, label = _example(adapter.signature, n)
    if adapter.signature.batch is None and n == 1:  # what it draws alone is what is being repaired: take it from a pair
        z, label = _example(adapter.signature, 2)
        return torch.allclose(adapter(z, label)[:1], free(z[:1], label[:1] if label is not None else None), atol=1e-5)
    return torch.allclose(adapter(z, label), free(z, label), atol=1e-5)


def _example(signature: CallSignature, n: int) -> tuple[Tensor, Tensor | None]:
    z = torch.randn(n, signature.latent_size, generator=torch.Generator().manual_seed(1))
    return z, torch.arange(n) % signature.classes if signature.classes is not None else None
