"""A training step of this project beside the plain loop that everybody starts from: python -m benchmarks.training

The peer is the loop of the PyTorch DCGAN tutorial in float32. Both sides have a 64×64 generator of width 64 and its mirror
image. Steps are taken in turn, so that a busy moment hits everybody.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import torch
import typer

from benchmarks import documents, rates
from benchmarks.documents import Document
from benchmarks.machine import machine
from benchmarks.tutorial_loop import TutorialLoop
from gansample.cli import console
from gansample.system.processors import usable_processors
from train.data.dataset import DataSet
from train.machine import make_reproducible
from train.presets import config_for
from train.state import TrainingState
from train.training_step import next_batch, step

RESULT = "training-cpu.json"
PEER = "tutorial loop, float32"
WARM_UP = 3
Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def bench(
    batch: Annotated[int, typer.Option(min=2, max=4096)] = 64,
    rounds: Annotated[int, typer.Option(min=3, max=1000)] = 12,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Images per second of a training step, as ratios to the tutorial's loop."""
    contestants = _contestants(batch)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(WARM_UP + rounds):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            if turn >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    document = {
        "model": "DCGAN-64, width 64",
        "batch": batch,
        "rounds": rounds,
        "threads": usable_processors(),
        "rows": rates.rows(seconds, batch, PEER),
        "machine": machine(),
    }
    documents.save(RESULT, document)
    print(table(document))


def table(document: Document) -> str:
    """A training step of each contestant."""
    heading = "| a training step | pictures/s | to the tutorial's loop | spread |"
    return rates.table(heading, map(rates.cells, document["rows"]), document)


def _contestants(batch: int) -> dict[str, Callable[[], object]]:
    """Each a function that takes one whole step on random pictures."""
    data = noise_data()
    loop = TutorialLoop(data.images, batch)
    ours = {
        f"{preset}, {precision}": our_step(preset, precision, batch, data)
        for preset in ("classic", "modern")
        for precision in PRECISIONS
    }
    return {PEER: lambda: [loss.item() for loss in loop.step()], **ours}


def noise_data() -> DataSet:
    """1,024 pictures of 64×64 in colour."""
    images = torch.randint(0, 256, (1024, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return DataSet(
        name="noise",
        images=images,
        labels=None,
        held_out_images=images[:64],
        held_out_labels=None,
        class_names=None,
        fingerprint="",
    )


def our_step(
    preset: str, precision: Precision, batch: int, data: DataSet, device: Literal["cpu", "cuda"] = "cpu"
) -> Callable[[], object]:
    """A step of this project's own."""
    config = replace(
        config_for(preset, source="photos", image_size=64),
        device=device,
        precision=precision,
        batch=batch,
        g_width=64,
        d_width=64,
        latent_size=100,
        threads=usable_processors(),
        augment_target=0.0,
    )
    make_reproducible(config)
    state = TrainingState(config, data)
    return lambda: step(state, *next_batch(state, data))


if __name__ == "__main__":
    console.run(app, "bench")
