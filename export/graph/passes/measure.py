"""Which passes a graph keeps: those that are exact in float64 and cost no time in ONNX Runtime, where the reference runs."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import onnx

from export.graph.passes.fold_batchnorm import fold_batchnorm
from export.graph.passes.latent_matmul import latent_matmul
from export.graph.passes.rewrite import Pass, Rewrite, apply, difference
from export.graph.to_onnx import ExportedGraph, from_debug_graph
from export.speed import speedup
from gansample.bundle.spec import Spec
from gansample.errors import ParityError
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner

logger = logging.getLogger(__name__)

PASSES: Mapping[str, Pass] = {"fold batchnorm": fold_batchnorm, "latent matmul": latent_matmul}
EXACT = 1e-12  # relative, in float64: rounding of a few thousand products leaves some 1e-15
# Every pass takes work away, so it stays unless it is measured to cost: a bar near 1 would let chance decide what the file's
# digest is, from one export of a checkpoint to the next.
COSTS = 0.95


def optimise(
    graph: ExportedGraph,
    spec: Spec,
    passes: Mapping[str, Pass] = PASSES,
    decisions: Mapping[str, bool] | None = None,
) -> tuple[ExportedGraph, list[dict[str, Any]]]:
    """The graph after every pass that pays, and a note per pass that applied anywhere: places, difference, speed-up, kept.

    decisions  pass -> whether it is kept, whatever the stopwatch says; those that are not named are measured.
    """
    notes = []
    for name, find in passes.items():
        debug_graph = onnx.load_from_string(graph.debug_graph)
        if not (rewrites := find(debug_graph)):
            continue
        error = check_exact(name, debug_graph, rewrites)
        candidate = from_debug_graph(apply(debug_graph, rewrites), spec)
        with OnnxRuntimeRunner(graph.model, spec) as before, OnnxRuntimeRunner(candidate.model, spec) as after:
            gain = speedup(before, after, spec)
        kept = (decisions or {}).get(name, gain >= COSTS)
        logger.info(f"pass {name}: {gain:.2f}× as fast, {'kept' if kept else 'dropped'}")
        notes.append(
            {"pass": name, "places": len(rewrites), "float64_difference": error, "speedup": round(gain, 3), "kept": kept}
        )
        graph = candidate if kept else graph
    return graph, notes


def check_exact(name: str, model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> float:
    """The largest float64 difference of all rewrites. Raises ParityError where one is not exact."""
    error = max(difference(model, rewrite) for rewrite in rewrites)
    if not error <= EXACT:
        raise ParityError(f"the pass {name} changes the generator by {error:.1e} of its range", "please report this generator")
    return error
