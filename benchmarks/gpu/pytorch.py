"""PyTorch's ways to draw the same uint8 pictures, measured as the engines are: python -m benchmarks.gpu.pytorch

float32 is float32 here: TF32 is off for everybody. cuDNN chooses its algorithms by timing (`cudnn.benchmark`); compiled
networks are compiled anew for each batch size (`dynamic=False`); "with CUDA graphs" is `mode="reduce-overhead"`.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.dcgan64 import dcgan64_generator
from export.export_model import ExportModel
from gansample.bundle.open import open_bundle
from gansample.errors import BackendUnavailable
from gansample.runtimes.base import ClosingRunner
from gansample.sampling.report.measure import Engine, expected_from, measure_engine
from gansample.sampling.report.row import Fact
from gansample.sampling.report.worker import answer
from gansample.types import Images, Labels, Latents


@dataclass(frozen=True, slots=True)
class Way:
    """One way to draw with PyTorch."""

    half: bool = False
    """float16 in channels_last; the last step, to bytes, in float32."""
    compiled: str | None = None
    """The mode of torch.compile."""


COPIES = "copies alone"
WAYS = {
    COPIES: Way(),
    "eager, float32": Way(),
    "eager, float16 channels_last": Way(half=True),
    "torch.compile, float32": Way(compiled="default"),
    "torch.compile, float16 channels_last": Way(half=True, compiled="default"),
    "torch.compile with CUDA graphs, float32": Way(compiled="reduce-overhead"),
    "torch.compile with CUDA graphs, float16 channels_last": Way(half=True, compiled="reduce-overhead"),
}
"""Those that need least time come first: what they leave goes to those that compile."""
SETTINGS = (
    "PyTorch draws the same uint8 pictures, within `torch.no_grad`, from pinned memory; TF32 off; `cudnn.benchmark` on; "
    '`torch.compile(dynamic=False)`, "with CUDA graphs" is `mode="reduce-overhead"`; float16 is `half()` in channels_last, '
    "with the last step, to bytes, in float32. Its first picture includes compiling for a batch of one."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PyTorchJob:
    """What a process is asked to measure; paths as text."""

    name: str
    device: str
    weights: str
    bundle: str
    expected: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def precision_of(name: str) -> str:
    return "fp16" if WAYS[name].half else "fp32"


def job_facts(asked: dict[str, Any]) -> Iterator[Fact]:
    job = PyTorchJob(**asked)
    opened = partial(open_way, job.name, torch.device(job.device), Path(job.weights))
    engine = Engine(opened, precision_of(job.name), job.device == "cuda")
    expected = expected_from(open_bundle(Path(job.bundle)), job.expected)
    # At one batch size only: every other one would have to be compiled for as well.
    compared = {} if job.name == COPIES else {64: len(expected.z)}
    yield from measure_engine(engine, expected, job.seconds, compared)


def open_way(name: str, device: torch.device, weights: Path) -> "PyTorchRunner":
    """Raises BackendUnavailable without the device."""
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BackendUnavailable("PyTorch finds no GPU", "use a machine with one, and PyTorch with CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return (CopyingRunner if name == COPIES else PyTorchRunner)(WAYS[name], dcgan64_generator(weights), device)


class Drawing(nn.Module):
    """Latents float32 (N, nz) -> pictures uint8 (N, H, W, C), contiguous."""

    def __init__(self, model: ExportModel, half: bool) -> None:
        super().__init__()
        self.kind = torch.float16 if half else torch.float32
        network: Any = model.network.to(self.kind)  # whose annotations leave memory_format out
        self.network, self.head = network.to(memory_format=torch.channels_last) if half else network, model.head

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.head(self.network(z.to(self.kind)).float())
        return pictures.round().to(torch.uint8).contiguous()


class PyTorchRunner(ClosingRunner):
    """A way to draw, with pinned memory for every batch size."""

    backend, variant = "pytorch", ""

    def __init__(self, way: Way, model: ExportModel, device: torch.device) -> None:
        self._way, self._device, self._spec = way, device, model.spec
        drawing = Drawing(model, way.half).to(device).requires_grad_(False)
        self._draw: Callable[[Tensor], Tensor] = drawing
        if way.compiled is not None:
            self._draw = torch.compile(drawing, mode=way.compiled, dynamic=False)
        self._pinned: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        if device.type == "cuda":
            self.device = torch.cuda.get_device_name(device)

    def run(self, z: Latents, label: Labels | None) -> Images:
        latents, latents_there, pictures = self._buffers(len(z))
        latents.copy_(torch.from_numpy(z))
        latents_there.copy_(latents, non_blocking=True)
        pictures.copy_(self._drawn(latents_there), non_blocking=True)
        self._wait()
        images: Images = pictures.numpy().copy()
        return images

    def on_device(self, z: Latents, label: Labels | None) -> Callable[[], None] | None:
        if self._device.type == "cpu":
            return None
        latents = torch.from_numpy(z).to(self._device)

        def draw() -> None:
            self._drawn(latents)
            self._wait()

        return draw

    def _drawn(self, latents: Tensor) -> Tensor:
        with torch.no_grad():
            if self._way.compiled == "reduce-overhead":
                begin: Any = torch.compiler.cudagraph_mark_step_begin
                begin()  # the pictures of the call before are done with
            return self._draw(latents)

    def _buffers(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        """Latents on the host and on the device, pictures on the host."""
        if n not in self._pinned:
            pinned = self._device.type == "cuda"
            latents = torch.empty(n, self._spec.latent_size, pin_memory=pinned)
            shape = (n, self._spec.height, self._spec.width, self._spec.channels)
            self._pinned[n] = latents, latents.to(self._device), torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        return self._pinned[n]

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize()


class CopyingRunner(PyTorchRunner):
    """What any runtime copies, and nothing drawn: no figure with copies can be beyond this one."""

    def __init__(self, way: Way, model: ExportModel, device: torch.device) -> None:
        super().__init__(way, model, device)
        self._there: dict[int, Tensor] = {}

    def _drawn(self, latents: Tensor) -> Tensor:
        if (n := len(latents)) not in self._there:
            self._there[n] = self._buffers(n)[2].to(self._device)
        return self._there[n]

    def on_device(self, z: Latents, label: Labels | None) -> Callable[[], None] | None:
        raise BackendUnavailable("nothing but copies is measured here", "see the others")


if __name__ == "__main__":
    answer(job_facts)
