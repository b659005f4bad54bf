"""A TensorRT engine from an ONNX graph, on the GPU it will run on; the same code for TensorRT 10 and 11.

Networks are strongly typed in both: the graph's own types decide, so an fp16 engine comes from a graph cast to fp16 and from
nothing else. TensorRT 11 knows no other way; in 10 it is a flag. TF32 is off: it keeps 10 bits of the mantissa, and an fp32
engine must draw the reference's pictures.
"""

import logging
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError, BackendUnavailable
from gansample.runtimes.tensorrt.layers import LayerCount, count_layers

logger = logging.getLogger(__name__)

OPTIMAL_BATCH = 64  # what the engine is tuned for, where it may be that large
FLAGS = "strongly typed, TF32 off, detailed verbosity, one profile 1..64..max"


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    plan: bytes
    timings: bytes
    """TensorRT's timing cache after this build."""


def load_tensorrt() -> ModuleType:
    """The tensorrt module. Raises BackendUnavailable with the pip line where it is absent or cannot be loaded."""
    try:
        import tensorrt
    except ModuleNotFoundError:
        raise BackendUnavailable("TensorRT is not installed", "pip install 'gansample[trt]'") from None
    except (ImportError, OSError) as error:  # its own libraries are missing, or too old
        raise BackendUnavailable(
            f"TensorRT cannot be loaded ({error})", "pip install --force-reinstall 'gansample[trt]'"
        ) from None
    module: ModuleType = tensorrt
    if not 10 <= (major := int(module.__version__.split(".")[0])) <= 11:
        raise BackendUnavailable(
            f"TensorRT {module.__version__} is version {major}", "pip install 'gansample[trt]' (10 and 11 work)"
        )
    return module


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


def build_engine(trt: Any, onnx: bytes, spec: Spec, *, max_batch: int, timings: bytes) -> BuiltEngine:
    """Compile `onnx` for the current GPU and batches 1..max_batch. Takes seconds to minutes; the progress is logged.

    timings  TensorRT's timing cache from an earlier build, or nothing.

    Raises ArtefactError where TensorRT refuses the graph, BackendUnavailable where it cannot build.
    """
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    flags = 0
    if int(trt.__version__.split(".")[0]) < 11:
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx):
        reasons = "; ".join(_parser_error(parser.get_error(index)) for index in range(parser.num_errors))
        raise ArtefactError(f"TensorRT refuses the graph ({reasons or 'no reason given'})", "use --backend cuda")

    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector could not prove the precision
    if not config.set_timing_cache(config.create_timing_cache(timings), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)  # timings of another device or version
    profile = builder.create_optimization_profile()
    optimal = min(OPTIMAL_BATCH, max_batch)
    sizes = {"z": (spec.latent_size,)} | ({"label": ()} if spec.classes is not None else {})
    for name, rest in sizes.items():
        profile.set_shape(name, (1, *rest), (optimal, *rest), (max_batch, *rest))
    if config.add_optimization_profile(profile) < 0:
        raise BackendUnavailable(f"TensorRT refuses batches 1..{max_batch} ({_last(logger)})", "use --backend cuda")
    monitor = make_monitor(trt)
    config.progress_monitor = monitor

    plan = builder.build_serialized_network(network, config)
    if monitor.interrupted is not None:
        raise monitor.interrupted
    if plan is None:
        raise BackendUnavailable(f"TensorRT cannot build an engine ({_last(logger)})", "use --backend cuda")
    return BuiltEngine(plan=bytes(plan), timings=bytes(config.get_timing_cache().serialize()))


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
    """A deserialised engine and what has to outlive it. Raises BackendUnavailable where TensorRT refuses the plan."""

    def __init__(self, trt: Any, plan: bytes) -> None:
        self.trt = trt
        self._logger = make_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self.handle = self._runtime.deserialize_cuda_engine(plan)
        if self.handle is None:  # another version or device: TensorRT says so in the log and returns nothing
            raise BackendUnavailable(f"TensorRT refuses the engine ({_last(self._logger)})", "it must be built again")

    def layers(self) -> LayerCount:
        inspector = self.handle.create_engine_inspector()
        return count_layers(inspector.get_engine_information(self.trt.LayerInformationFormat.JSON))

    def context(self) -> Any:
        context = self.handle.create_execution_context()
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
