"""A graph for any batch size of a network that PyTorch's tracer fixes to one: `len(x)`, `.squeeze()`, `if n == 1`.

The network is exported for one batch size, and that number is replaced in the graph. What it meant there is a guess, so it is
proven: the graph must draw what the module draws, for several sizes.
"""

import numpy as np
import onnx

from export.export_model import ExportModel, cycled_labels, render
from export.importers.onnx_batch import free_batch
from export.importers.onnx_canonical import observed_shapes, session
from gansample.runtimes.base import graph_feed

PROVEN_AT = (1, 2, 3, 5, 8)
NEAR = 0.5  # of an 8-bit step; the verdict on the bundle is stricter


def for_any_batch(model: onnx.ModelProto, generator: ExportModel) -> onnx.ModelProto | None:
    """`model`, exported for one batch size, for any; None where it then does not draw the generator's pictures."""
    spec, batch = generator.spec, model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    z, label = spec.latents(range(batch)), cycled_labels(spec, batch)
    try:
        freed = free_batch(model, batch, observed_shapes(model, graph_feed(spec, z, label)))
        for value in (*freed.graph.input, *freed.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "N"
        used = {name for node in freed.graph.node for name in node.input}
        kept = [tensor for tensor in freed.graph.initializer if tensor.name in used]
        del freed.graph.value_info[:], freed.graph.initializer[:]
        freed.graph.initializer.extend(kept)
        return freed if all(_draws(freed, generator, n) for n in PROVEN_AT) else None
    except Exception:  # what was rewritten wrongly fails anywhere: the network stays what it is, and is refused by name
        return None


def _draws(model: onnx.ModelProto, generator: ExportModel, n: int) -> bool:
    spec = generator.spec
    z, label = spec.latents(range(100, 100 + n)), cycled_labels(spec, n)
    drawn = session(model).run(["levels"], graph_feed(spec, z, label))[0]
    wanted = render(generator, z, label).unrounded
    return drawn.shape == wanted.shape and bool(np.abs(drawn - wanted).max() <= NEAR)
