"""A training step on one device, ours and the tutorial's in several forms: python -m benchmarks.gpu.training"""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch

from benchmarks.training import PRECISIONS, noise_data, our_step
from benchmarks.tutorial_loop import TutorialLoop
from gansample.errors import BackendUnavailable
from gansample.sampling.report.worker import answer

BATCH = 128  # the tutorial's
WARM_UP, SECONDS = 3, 3.0
COMPILED = "tutorial loop, bf16, torch.compile"
TUTORIAL = {
    "tutorial loop, float32": {},
    "tutorial loop, bf16": {"bf16": True},
    COMPILED: {"bf16": True, "compiled": True},
}
GRAPH = "tutorial loop, bf16, each step one CUDA graph"
OURS = {f"{preset}, {precision}": (preset, precision) for preset in ("classic", "modern") for precision in PRECISIONS}
STEPS = (*(name for name in TUTORIAL if name != COMPILED), GRAPH, *OURS, COMPILED)
"""Compiling comes last: it takes longest, and what the others leave."""
SETTINGS = (
    f"A step of D and of G on {BATCH} random pictures of 64×64; the loop of PyTorch's DCGAN tutorial in several forms, and "
    "this project's presets with a generator and a discriminator of the same width. TF32 off; bf16 is autocast."
)


def job_facts(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`images_per_second` of the step with that name on that device, or the `reason` why not."""
    try:
        run, wait = _step(asked["name"], torch.device(asked["device"]))
    except BackendUnavailable as reason:
        yield {"reason": str(reason)}
        return
    for _ in range(WARM_UP):
        run()
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < SECONDS:
        wait()
        started = time.perf_counter()
        run()
        wait()
        seconds.append(time.perf_counter() - started)
    yield {"images_per_second": BATCH / median(seconds)}


def _step(name: str, device: torch.device) -> tuple[Callable[[], object], Callable[[], None]]:
    """What takes a step, and what waits for it."""
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BackendUnavailable("PyTorch finds no GPU", "use a machine with one, and PyTorch with CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    if name in OURS:
        preset, precision = OURS[name]
        return our_step(preset, precision, BATCH, noise_data(), "cuda" if device.type == "cuda" else "cpu"), wait
    torch.backends.cudnn.benchmark = True
    images = noise_data().images.to(device)
    if name == GRAPH:
        return _recorded(TutorialLoop(images, BATCH, bf16=True)), wait
    return TutorialLoop(images, BATCH, **TUTORIAL[name]).step, wait


def _recorded(loop: TutorialLoop) -> Callable[[], object]:
    """The loop's step as one CUDA graph; PyTorch wants it warmed up on another stream first."""
    if loop.device.type != "cuda":
        raise BackendUnavailable("CUDA graphs are a GPU's", "use a machine with one")
    cuda: Any = torch.cuda  # whose streams are not annotated
    stream = cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            loop.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loop.step()
    return graph.replay


if __name__ == "__main__":
    answer(job_facts)
