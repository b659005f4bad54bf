"""A TensorRT engine from an ONNX graph; the same code for TensorRT 10 and 11 and TensorRT for RTX.

Networks are strongly typed in both: the graph's own types decide, so an fp16 engine comes from a graph cast to fp16 and from
nothing else. TensorRT 11 knows no other way; in 10 it is a flag. TF32 is off: it keeps 10 bits of the mantissa, and an fp32
engine must draw the reference's pictures.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError, BackendUnavailable, UsageError
from gansample.runtimes.tensorrt.layers import LayerCount, count_layers
from gansample.runtimes.tensorrt.library import Library

logger = logging.getLogger(__name__)

OPTIMAL_BATCH = 64  # what the engine is tuned for, where it may be that large
FLAGS = "strongly typed, TF32 off, detailed verbosity, one profile 1..64..max"


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    plan: bytes
    timings: bytes
    """TensorRT's timing cache after this build."""
    layers: int
    """Of the network as it was parsed."""


def make_logger(trt: Any) -> Any:
    """A TensorRT logger that keeps errors in `.errors` for our one-line messages and prints nothing."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(msg)

    return Logger()


def build_engine(
    library: Library, onnx: bytes, spec: Spec, *, max_batch: int, timings: bytes = b"", targets: Sequence[str] = ()
) -> BuiltEngine:
    """Compile `onnx` for batches 1..max_batch. Takes seconds to minutes; the progress is logged.

    timings  TensorRT's timing cache from an earlier build, or nothing. TensorRT for RTX times nothing when it builds.
    targets  generations of GPUs like sm89, for TensorRT for RTX; the GPU at hand where there are none.

    Raises ArtefactError where TensorRT refuses the graph, BackendUnavailable where it cannot build.
    """
    trt = library.module
    logger = make_logger(trt)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # what its bindings make of a null pointer
        raise BackendUnavailable(f"{library.name} does not start ({_last(logger)})", "use --backend cuda") from error
    flags = 0
    if int(trt.__version__.split(".")[0]) < 11:
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        reasons = "; ".join(_parser_error(parser.get_error(index)) for index in range(parser.num_errors))
        raise ArtefactError(f"{library.name} refuses the graph ({reasons or 'no reason given'})", "use --backend cuda")

    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector could not prove the precision
    if library.for_rtx:
        _set_targets(trt, config, targets)
    elif not config.set_timing_cache(config.create_timing_cache(timings), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)  # timings of another device or version
    profile = builder.create_optimization_profile()
    optimal = min(OPTIMAL_BATCH, max_batch)
    name, shape = spec.graph_input
    sizes = {name: shape} | ({"label": ()} if spec.graph_takes_label else {})
    for name, rest in sizes.items():
        profile.set_shape(name, (1, *rest), (optimal, *rest), (max_batch, *rest))
    if config.add_optimization_profile(profile) < 0:
        raise BackendUnavailable(f"{library.name} refuses batches 1..{max_batch} ({_last(logger)})", "use --backend cuda")
    monitor = make_monitor(trt)
    config.progress_monitor = monitor

    plan = builder.build_serialized_network(network, config)
    if monitor.interrupted is not None:
        raise monitor.interrupted
    if plan is None:
        hint = f"leave out {' or '.join(targets)}" if targets else "use --backend cuda"
        raise BackendUnavailable(f"{library.name} cannot build an engine ({_last(logger)})", hint)
    kept = b"" if library.for_rtx else bytes(config.get_timing_cache().serialize())
    return BuiltEngine(plan=bytes(plan), timings=kept, layers=network.num_layers)


def _set_targets(trt: Any, config: Any, targets: Sequence[str]) -> None:
    """The generations of GPUs to build for. Raises UsageError for one that TensorRT for RTX does not know."""
    known = {name.lower(): value for name, value in trt.ComputeCapability.__members__.items() if name.startswith("SM")}
    if unknown := sorted(set(targets) - known.keys()):
        raise UsageError(f"unknown target {', '.join(unknown)}", f"choose from {', '.join(known)}")
    wanted = [known[target] for target in targets] or [trt.ComputeCapability.CURRENT]
    config.num_compute_capabilities = len(wanted)
    for index, capability in enumerate(wanted):
        config.set_compute_capability(capability, index)


def make_monitor(trt: Any) -> Any:
    """Logs the build's outer phases, and stops the build when Ctrl-C arrives in the middle of it."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interrupted: BaseException | None = None
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            """False asks TensorRT to stop. An exception must not fly through its C++ frames, so it waits in `interrupted`."""
            try:
                if phase_name in self._steps:
                    logger.info("TensorRT: %s, step %d of %d", phase_name, step + 1, self._steps[phase_name])
            except BaseException as error:
                self.interrupted = error
            return self.interrupted is None

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()


class Engine:
    """A deserialised engine and what has to outlive it. Raises BackendUnavailable where TensorRT refuses the plan.

    kernels  what `kernels()` gave for this engine on this GPU before; only TensorRT for RTX compiles on the target.
    """

    def __init__(self, library: Library, plan: bytes, kernels: bytes = b"") -> None:
        self.library, trt = library, library.module
        self._logger = make_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self.handle = self._runtime.deserialize_cuda_engine(plan)
        if self.handle is None:  # another version or device: TensorRT says so in the log and returns nothing
            raise BackendUnavailable(f"{library.name} refuses the engine ({_last(self._logger)})", "it must be built again")
        self._config = self._kernels = None
        self._strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if library.for_rtx:
            self._config = self.handle.create_runtime_config()
            self._config.set_execution_context_allocation_strategy(self._strategy)
            # Every shape's kernels at its first use: those that arrive later, from a thread, could not be in a recorded graph.
            self._config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
            self._kernels = self._config.create_runtime_cache()
            if kernels:
                self._kernels.deserialize(kernels)  # refused where the driver changed, and compiled again
            self._config.set_runtime_cache(self._kernels)

    def kernels(self) -> bytes:
        """What was compiled on this GPU so far, for the next process; nothing but for TensorRT for RTX."""
        return bytes(self._kernels.serialize()) if self._kernels is not None else b""

    def layers(self) -> LayerCount:
        inspector = self.handle.create_engine_inspector()
        return count_layers(inspector.get_engine_information(self.library.module.LayerInformationFormat.JSON))

    def scratch_bytes(self) -> int:
        """Device memory that a context needs while it runs, for the largest batch."""
        return int(self.handle.device_memory_size_v2)

    def context(self) -> Any:
        """An execution context, which runs once it was given `scratch_bytes` of device memory: one block may serve several."""
        context = self.handle.create_execution_context(self._config if self._config is not None else self._strategy)
        if context is None:
            raise BackendUnavailable(f"TensorRT has no room to run ({_last(self._logger)})", "ask for smaller batches")
        return context

    def refusal(self) -> str:
        """The last error that TensorRT logged."""
        return _last(self._logger)


def _parser_error(error: Any) -> str:
    return " ".join(f"{error.node_operator()} {error.node_name()}: {error.desc()}".split())


def _last(logger: Any) -> str:
    return " ".join(logger.errors[-1].split()) if logger.errors else "no reason given"
