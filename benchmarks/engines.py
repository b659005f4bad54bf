"""Pictures per second of DCGAN-64 in every variant of a bundle, beside PyTorch and a plain ONNX Runtime export.

python -m benchmarks.engines                       seeded random weights
python -m benchmarks.engines --weights netG.pth    a trained state dict of the tutorial's generator
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import documents, rates
from benchmarks.dcgan64 import export_dcgan64
from benchmarks.documents import Document
from benchmarks.machine import machine
from gansample.cli import console
from gansample.system.processors import usable_processors

RESULT = "dcgan64-cpu.json"
REFERENCE = "pytorch-eager-fp32"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    weights: Annotated[Path | None, typer.Option(help="State dict of a tutorial DCGAN-64 (default: seeded random).")] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096)] = 64,
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="Interleaved rounds; the medians count.")] = 15,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Measure pictures per second of every contestant, in one run, as ratios to PyTorch eager float32."""
    from benchmarks.contestants import PEERS

    threads = usable_processors()
    with tempfile.TemporaryDirectory() as folder:
        variants = export_dcgan64(Path(folder), weights)
        seconds, not_run = measure([*PEERS, *variants], Path(folder), weights, batch, rounds, threads)
    rows = rates.rows(seconds, batch, REFERENCE)
    for row in rows:
        if (decibels := variants.get(row["name"])) is not None:
            row["psnr_db"] = decibels
    document = {
        "model": "DCGAN-64, 3.6 M parameters, " + ("trained weights" if weights else "seeded random weights"),
        "batch": batch,
        "rounds": rounds,
        "threads": threads,
        "rows": rows,
        "not_run": not_run,
        "machine": machine(),
    }
    documents.save(RESULT, document)
    print(table(document))


def measure(
    names: list[str], folder: Path, weights: Path | None, batch: int, rounds: int, threads: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds for each batch, and why a contestant did not run. They take turns, one process each."""
    workers: dict[str, subprocess.Popen[str]] = {}
    not_run: dict[str, str] = {}
    for name in names:
        arguments = [name, str(folder), str(weights or ""), str(batch), str(threads)]
        command = [sys.executable, "-m", "benchmarks.worker", *arguments]
        pipe = subprocess.PIPE
        worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert worker.stdout is not None
        assert worker.stderr is not None
        if worker.stdout.readline().strip() == "ready":
            workers[name] = worker
        else:
            lines = worker.stderr.read().strip().splitlines()
            not_run[name] = lines[-1] if lines else f"exit code {worker.wait()}"
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("draw\n")
            worker.stdin.flush()
            seconds[name].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    return seconds, not_run


def table(document: Document) -> str:
    """One row per contestant, in the order they were measured."""
    lines = [f"{rates.cells(row)} {_fidelity(row.get('psnr_db'))} |" for row in document["rows"]]
    lines += [f"| {name} | NOT RUN | | | {reason} |" for name, reason in document["not_run"].items()]
    return rates.table("| what | pictures/s | to PyTorch eager | spread | PSNR to float64 |", lines, document)


def _fidelity(decibels: float | None) -> str:
    return f"{decibels:.1f} dB" if decibels is not None else ""


if __name__ == "__main__":
    console.run(app, "bench")
