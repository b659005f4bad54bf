"""Which passes a graph keeps: those that are exact in float64 and cost no time in ONNX Runtime, where the reference runs."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """What one pass did to a graph."""

    name: str
    places: int
    float64_difference: float
    """Largest difference of a rewritten place, relative to its largest output."""
    speedup: float
    kept: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "pass": self.name,
            "places": self.places,
            "float64_difference": self.float64_difference,
            "speedup": round(self.speedup, 3),
            "kept": self.kept,
        }


def optimise(
    graph: ExportedGraph,
    spec: Spec,
    passes: Mapping[str, Pass] = PASSES,
    decisions: Mapping[str, bool] | None = None,
) -> tuple[ExportedGraph, list[PassReport]]:
    """The graph after every pass that pays, and a report of each pass that applied anywhere.

    decisions  pass -> whether it is kept, whatever timing says; passes that are not named are timed.
    """
    reports = []
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
        reports.append(PassReport(name=name, places=len(rewrites), float64_difference=error, speedup=gain, kept=kept))
        graph = candidate if kept else graph
    return graph, reports


def check_exact(name: str, model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> float:
    """The largest float64 difference of all rewrites. Raises ParityError where one is not exact."""
    error = max(difference(model, rewrite) for rewrite in rewrites)
    if not error <= EXACT:
        raise ParityError(f"the pass {name} changes the generator by {error:.1e} of its range", "please report this generator")
    return error
