"""A training step of this project beside the plain loop that everybody starts from: python -m benchmarks.training

The peer is the loop of the PyTorch DCGAN tutorial, written here anew: float32, feature maps as NCHW, D run on real and on
generated pictures apart and a third time for G, one Adam for each. Both sides have a 64×64 generator of width 64 and its mirror
image. Steps are taken in turn, so that a busy moment hits everybody.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal

import torch
import typer
from torch import nn

from benchmarks import documents, rates
from benchmarks.dcgan64 import Generator
from benchmarks.documents import Document
from benchmarks.machine import machine
from gansample.cli import console
from gansample.system.processors import usable_processors
from train.data.dataset import DataSet
from train.machine import device_for, make_reproducible
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
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1024, 3, 64, 64), dtype=torch.uint8, generator=stream)
    data = DataSet(
        name="noise",
        images=images,
        labels=None,
        held_out_images=images[:64],
        held_out_labels=None,
        class_names=None,
        fingerprint="",
    )
    ours = {
        f"{preset}, {precision}": _ours(preset, precision, batch, data)
        for preset in ("classic", "modern")
        for precision in PRECISIONS
    }
    return {PEER: _tutorial(images, batch), **ours}


def _ours(preset: str, precision: Precision, batch: int, data: DataSet) -> Callable[[], object]:
    config = replace(
        config_for(preset, source="photos", image_size=64),
        precision=precision,
        batch=batch,
        g_width=64,
        d_width=64,
        latent_size=100,
        threads=usable_processors(),
        augment_target=0.0,
    )
    config = replace(config, device=device_for(config))
    make_reproducible(config)
    state = TrainingState(config, data)
    return lambda: step(state, *next_batch(state, data))


def _tutorial(images: torch.Tensor, batch: int) -> Callable[[], object]:
    torch.manual_seed(0)
    generator = Generator()
    widths = [3, 64, 128, 256, 512]
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(outputs)] if index else []
        layers.append(nn.LeakyReLU(0.2))
    discriminator = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, bias=False), nn.Sigmoid())
    for layer in [*generator.modules(), *discriminator.modules()]:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
    judge = nn.BCELoss()
    adam_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adam_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    ones, zeros = torch.ones(batch), torch.zeros(batch)

    def run() -> tuple[float, float]:
        real = images[torch.randint(len(images), (batch,))].float() / 127.5 - 1
        discriminator.zero_grad()
        loss_real = judge(discriminator(real).view(-1), ones)
        loss_real.backward()
        fake = generator(torch.randn(batch, 100))
        loss_fake = judge(discriminator(fake.detach()).view(-1), zeros)
        loss_fake.backward()
        adam_d.step()
        generator.zero_grad()
        loss_g = judge(discriminator(fake).view(-1), ones)
        loss_g.backward()
        adam_g.step()
        return (loss_real + loss_fake).item(), loss_g.item()

    return run


if __name__ == "__main__":
    console.run(app, "bench")
