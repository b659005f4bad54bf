"""A GPU made of host memory, behind the real names of CUDA's and TensorRT's bindings.

Memory is allocated for real, copies copy, recorded graphs replay what was recorded, and an engine runs the ONNX graph it was
built from in ONNX Runtime: so the runners draw real pictures, and whatever they do wrong shows. Attributes switch faults on.
"""

import ctypes
import inspect
import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime

from tests.support.real_bindings import Double, checked

SCRATCH = 4096  # bytes that an engine asks for while it runs


class FakeGpu:
    """The device's state, and the faults that a test asks for."""

    def __init__(self) -> None:
        self.memory: dict[int, Any] = {}
        self.streams: set[int] = set()
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.recording: list[Callable[[], None]] | None = None
        self.launches = 0
        self.name, self.driver = b"NVIDIA Fake 9000", 13000
        self.refuse_malloc_after: int | None = None
        self.replay_does_nothing = False
        self._handles = 1000

    def handle(self) -> int:
        self._handles += 1
        return self._handles

    def allocate(self, size: int) -> int:
        block = ctypes.create_string_buffer(max(size, 1))
        address = ctypes.addressof(block)
        self.memory[address] = block
        return address

    def enqueue(self, work: Callable[[], None]) -> None:
        if self.recording is not None:
            self.recording.append(work)
        else:
            work()


class FakeCudaRuntime:
    """`cuda.bindings.runtime`: every name and argument is checked against the real module."""

    def __init__(self, real: ModuleType, gpu: FakeGpu) -> None:
        self._real, self._gpu = real, gpu

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)  # AttributeError for what does not exist
        if not name.startswith("cuda") or inspect.isclass(attribute) or not callable(attribute):
            return attribute
        behaviour = getattr(self, f"_{name}")
        signature = inspect.signature(attribute)

        def call(*arguments: Any) -> Any:
            signature.bind(*arguments)
            result = behaviour(*arguments)
            if isinstance(result, self._real.cudaError_t):
                return (result,)
            return (self._real.cudaError_t.cudaSuccess, *(result if isinstance(result, tuple) else (result,)))

        call.__name__ = name
        return call

    def _cudaGetDevice(self) -> int:
        return 0

    def _cudaGetDeviceProperties(self, device: int) -> Any:
        properties = self._real.cudaDeviceProp()
        for name in ("name", "major", "minor"):
            assert hasattr(properties, name)
        return SimpleNamespace(name=self._gpu.name, major=9, minor=0)

    def _cudaDriverGetVersion(self) -> int:
        return self._gpu.driver

    def _cudaRuntimeGetVersion(self) -> int:
        return 13040

    def _cudaMemGetInfo(self) -> tuple[int, int]:
        return 1 << 30, 1 << 31

    def _cudaMalloc(self, size: int) -> Any:
        if self._gpu.refuse_malloc_after is not None:
            if self._gpu.refuse_malloc_after == 0:
                return self._real.cudaError_t.cudaErrorMemoryAllocation
            self._gpu.refuse_malloc_after -= 1
        return self._gpu.allocate(size)

    def _cudaMallocHost(self, size: int) -> int:
        return self._gpu.allocate(size)

    def _cudaFree(self, address: int) -> tuple[()]:
        del self._gpu.memory[address]
        return ()

    _cudaFreeHost = _cudaFree

    def _cudaMemcpyAsync(self, to: int, source: int, count: int, kind: Any, stream: int) -> tuple[()]:
        assert isinstance(kind, self._real.cudaMemcpyKind)
        assert stream in self._gpu.streams
        self._gpu.enqueue(lambda: ctypes.memmove(to, source, count) and None)
        return ()

    def _cudaStreamCreateWithFlags(self, flags: int) -> int:
        assert flags == self._real.cudaStreamNonBlocking
        stream = self._gpu.handle()
        self._gpu.streams.add(stream)
        return stream

    def _cudaStreamDestroy(self, stream: int) -> tuple[()]:
        self._gpu.streams.remove(stream)
        return ()

    def _cudaStreamSynchronize(self, stream: int) -> Any:
        return self._real.cudaError_t.cudaErrorStreamCaptureUnsupported if self._gpu.recording is not None else ()

    def _cudaStreamBeginCapture(self, stream: int, mode: Any) -> tuple[()]:
        assert isinstance(mode, self._real.cudaStreamCaptureMode)
        self._gpu.recording = []
        return ()

    def _cudaStreamEndCapture(self, stream: int) -> int:
        graph = self._gpu.handle()
        assert self._gpu.recording is not None
        self._gpu.graphs[graph], self._gpu.recording = self._gpu.recording, None
        return graph

    def _cudaGraphInstantiate(self, graph: int, flags: int) -> int:
        executable = self._gpu.handle()
        self._gpu.graphs[executable] = self._gpu.graphs[graph]
        return executable

    def _cudaGraphDestroy(self, graph: int) -> tuple[()]:
        del self._gpu.graphs[graph]
        return ()

    _cudaGraphExecDestroy = _cudaGraphDestroy

    def _cudaGraphLaunch(self, graph: int, stream: int) -> tuple[()]:
        self._gpu.launches += 1
        if not self._gpu.replay_does_nothing:
            for work in self._gpu.graphs[graph]:
                work()
        return ()


class FakeTensorRT(ModuleType):
    """`tensorrt`: the real module's names; Builder, OnnxParser and Runtime are doubles that compile to ONNX Runtime."""

    def __init__(self, real: ModuleType, gpu: FakeGpu) -> None:
        super().__init__("tensorrt")
        self._real, self._gpu = real, gpu
        self.builds = 0
        self.config: dict[str, Any] = {}
        self.build_float32_by_accident = False
        self.refuse_parse: str | None = None
        self.refuse_build = False
        self.refuse_plan = False
        self.wrong_pictures = False
        self.during_build: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)
        factory = {"Builder": self._builder, "OnnxParser": self._parser, "Runtime": self._runtime}.get(name)
        return checked(self._real, attribute.__init__, factory, skip_self=True) if factory else attribute

    def _double(self, kind: str, **behaviour: Any) -> Double:
        return Double(self._real, getattr(self._real, kind), **behaviour)

    def _builder(self, logger: Any) -> Double:
        def create_network(flags: int = 0) -> Double:
            self.config.update(network_flags=flags)
            return self._double("INetworkDefinition")

        def build(network: Double, config: Double) -> bytes | None:
            monitor = config.progress_monitor
            monitor.phase_start("Building Engine", None, 2)
            self.during_build()
            going = monitor.step_complete("Building Engine", 0)
            monitor.phase_finish("Building Engine")
            self.config.update(verbosity=config.profiling_verbosity)
            if self.refuse_build or not going:
                logger.log(self._real.ILogger.ERROR, "Could not find any implementation for node conv.")
                return None
            self.builds += 1
            return b"PLAN %d\n" % int(self._real.__version__.split(".")[0]) + self.config["onnx"]

        return self._double(
            "Builder",
            create_network=create_network,
            create_builder_config=self._config,
            create_optimization_profile=lambda: self._double("IOptimizationProfile", set_shape=self._set_shape),
            build_serialized_network=build,
        )

    def _config(self) -> Double:
        self.config.update(cleared=set(), timings=None, profiles=0, shapes={})

        def add(profile: Double) -> int:
            self.config["profiles"] += 1
            return int(self.config["profiles"]) - 1

        def set_cache(cache: Double, ignore_mismatch: bool) -> bool:
            assert not ignore_mismatch
            if cache.serialize() == b"of another device":
                return False
            self.config["timings"] = cache.serialize()
            return True

        return self._double(
            "IBuilderConfig",
            clear_flag=self.config["cleared"].add,
            create_timing_cache=lambda blob: self._double("ITimingCache", serialize=lambda: blob),
            set_timing_cache=set_cache,
            get_timing_cache=lambda: self._double("ITimingCache", serialize=lambda: self.config["timings"] + b"+measured"),
            add_optimization_profile=add,
            **({"set_compute_capability": self._set_target} if hasattr(self._real, "ComputeCapability") else {}),
        )

    def _set_target(self, capability: Any, index: int) -> bool:
        """For the GPU at hand, whose only target that is."""
        assert (capability, index) == (self._real.ComputeCapability.CURRENT, 0)
        return True

    def _set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.config["shapes"][name] = shapes

    def _parser(self, network: Double, logger: Any) -> Double:
        def parse(model: bytes, path: str | None = None) -> bool:
            onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
            self.config.update(onnx=model)
            return self.refuse_parse is None

        error = self._double(
            "ParserError", desc=lambda: self.refuse_parse, node_operator=lambda: "Col2Im", node_name=lambda: "node_7"
        )
        return self._double("OnnxParser", parse=parse, num_errors=1, get_error=lambda index: error)

    def _runtime(self, logger: Any) -> Double:
        def deserialize(plan: bytes) -> Double | None:
            header, _, model = plan.partition(b"\n")
            if self.refuse_plan or header != b"PLAN %d" % int(self._real.__version__.split(".")[0]):
                logger.log(self._real.ILogger.ERROR, "The engine plan file is not compatible with this version of TensorRT")
                return None
            return self._engine(model)

        return self._double("Runtime", deserialize_cuda_engine=deserialize)

    def _engine(self, model: bytes) -> Double:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        ports = [*session.get_inputs(), *session.get_outputs()]
        kinds = {"tensor(float)": "FLOAT", "tensor(int64)": "INT64", "tensor(uint8)": "UINT8"}
        inspector = self._double("EngineInspector", get_engine_information=lambda form: self._information(model))
        by_name = {port.name: port for port in ports}
        return self._double(
            "ICudaEngine",
            num_io_tensors=len(ports),
            get_tensor_name=lambda index: ports[index].name,
            get_tensor_dtype=lambda name: getattr(self._real.DataType, kinds[by_name[name].type]),
            get_tensor_shape=lambda name: self._real.Dims([-1, *by_name[name].shape[1:]]),
            device_memory_size_v2=SCRATCH,
            create_execution_context=lambda how: self._context(session, [port.name for port in session.get_inputs()]),
            create_engine_inspector=lambda: inspector,
            **({"create_runtime_config": self._runtime_config} if hasattr(self._real, "IRuntimeCache") else {}),
        )

    def _runtime_config(self) -> Double:
        def deserialize(blob: bytes) -> bool:
            self.config.setdefault("kernels", []).append(blob)
            return True

        cache = self._double("IRuntimeCache", serialize=lambda: b"compiled", deserialize=deserialize)
        return self._double("IRuntimeConfig", create_runtime_cache=lambda: cache)

    def _context(self, session: Any, inputs: list[str]) -> Double:
        shapes: dict[str, tuple[int, ...]] = {}
        addresses: dict[str, int] = {}
        scratch: list[int] = []

        def set_device_memory(memory: int, size: int) -> None:
            assert size == SCRATCH
            scratch[:] = [memory]

        def execute(stream: int) -> bool:
            assert stream in self._gpu.streams
            assert scratch[0] in self._gpu.memory, "the context has no memory to run in"
            self._gpu.enqueue(run)
            return True

        def run() -> None:
            feed = {name: _array(addresses[name], shapes[name], np.int64 if name == "label" else np.float32) for name in inputs}
            images = session.run(["images"], feed)[0]
            if self.wrong_pictures:
                images = images // 2
            _array(addresses["images"], images.shape, np.uint8)[...] = images

        return self._double(
            "IExecutionContext",
            set_input_shape=lambda name, shape: shapes.update({name: shape}) is None,
            set_tensor_address=lambda name, address: addresses.update({name: address}) is None,
            execute_async_v3=execute,
            set_device_memory=set_device_memory,
        )

    def _information(self, model: bytes) -> str:
        """What the inspector of this major version writes, with the types that the graph's tensors have."""
        inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(model)).graph
        values = [*inferred.value_info, *inferred.input, *inferred.output]
        types = {value.name: value.type.tensor_type.elem_type for value in values}
        names = {onnx.TensorProto.FLOAT: "Float", onnx.TensorProto.FLOAT16: "Half", onnx.TensorProto.UINT8: "UInt8"}
        key = "Format/Datatype" if self._real.__version__.startswith("10.") else "DataType"

        def tensors(wanted: Any) -> list[dict[str, str]]:
            known = [types[name] for name in wanted if name in types]
            return [{key: "Float" if self.build_float32_by_accident else names.get(kind, "Int64")} for kind in known]

        layers = [{"Name": node.name, "Inputs": tensors(node.input), "Outputs": tensors(node.output)} for node in inferred.node]
        return json.dumps({"Layers": layers, "Bindings" if key == "Format/Datatype" else "I/O Tensors": []})


def _array(address: int, shape: tuple[int, ...], kind: Any) -> Any:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer((ctypes.c_byte * size).from_address(address), kind).reshape(shape)
