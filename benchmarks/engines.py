"""Pictures per second of DCGAN-64 in every variant of a bundle, beside PyTorch and a plain ONNX Runtime export.

python -m benchmarks.engines                       seeded random weights
python -m benchmarks.engines --weights netG.pth    a trained state dict of the tutorial's generator, then random weights
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import documents, rates
from benchmarks.contestants import PEERS
from benchmarks.dcgan64 import export_dcgan64
from benchmarks.documents import Document
from benchmarks.machine import machine
from gansample.cli import console
from gansample.system.processors import usable_processors

RESULT = "dcgan64-cpu.json"
REFERENCE = "pytorch-eager-fp32"
RIVALS = {"fp32": "fp32", "bf16": "bf16", "int8": "bf16"}  # a variant's precision -> that of the peers it is held against
ATTEMPTS = 3  # until every figure is steady

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    weights: Annotated[Path | None, typer.Option(help="State dict of a tutorial DCGAN-64 (default: seeded random).")] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096)] = 64,
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="Interleaved rounds; the medians count.")] = 15,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Measure pictures per second of every contestant, in one run, as ratios to PyTorch eager float32.

    With trained weights, random ones are measured as well: int8 keeps other layers in float for them.
    """
    threads = usable_processors()
    measured = compare(weights, batch, rounds, threads)
    document = {
        "model": "DCGAN-64, 3.6 M parameters, " + ("trained weights" if weights else "seeded random weights"),
        "batch": batch,
        "rounds": rounds,
        "threads": threads,
        **measured,
        **({"random": compare(None, batch, rounds, threads)} if weights else {}),
        "machine": machine(),
    }
    documents.save(RESULT, document)
    print(table(document))


def compare(weights: Path | None, batch: int, rounds: int, threads: int) -> dict[str, Any]:
    """Rows of every contestant with these weights, and what did not run."""
    with tempfile.TemporaryDirectory() as folder:
        variants = export_dcgan64(Path(folder), weights)
        seconds, not_run = measure([*PEERS, *variants], Path(folder), weights, batch, rounds, threads)
    rows = rates.rows(seconds, batch, REFERENCE)
    for row in rows:
        if (decibels := variants.get(row["name"])) is not None:
            row["psnr_db"] = decibels
    return {"rows": rows, "not_run": not_run}


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
    seconds = take_turns(workers, rounds)
    for _ in range(ATTEMPTS - 1):
        if not (noisy := rates.unsteady(seconds)):
            break
        print(f"unsteady, measured again: {', '.join(noisy)}", file=sys.stderr)
        seconds = min(seconds, take_turns(workers, rounds), key=lambda each: len(rates.unsteady(each)))
    for worker in workers.values():
        worker.communicate()
    return seconds, not_run


def take_turns(workers: Mapping[str, "subprocess.Popen[str]"], rounds: int) -> dict[str, list[float]]:
    """Seconds of each worker for a batch, in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("draw\n")
            worker.stdin.flush()
            seconds[name].append(float(worker.stdout.readline()))
    return seconds


def table(document: Document) -> str:
    """One row per contestant, in the order they were measured, and the same with random weights where that was measured."""
    text = rates.table(HEADING, _lines(document), document)
    if (random := document.get("random")) is None:
        return text
    head = [HEADING, "|---|---:|---:|---:|---:|---:|"]
    return "\n".join([text, "", "The same with seeded random weights:", "", *head, *_lines(random)])


HEADING = "| what | pictures/s | to PyTorch eager | spread | to the best peer | PSNR to float64 |"


def _lines(measured: Document) -> list[str]:
    rows = measured["rows"]
    best: dict[str, float] = {}
    for row in rows:
        if (precision := PEERS.get(row["name"])) is not None:
            best[precision] = max(best.get(precision, 0.0), row["images_per_second"])
    lines = [f"{rates.cells(row)} {_to_the_best(row, best)} | {_fidelity(row.get('psnr_db'))} |" for row in rows]
    return lines + [f"| {name} | NOT RUN | | | | {reason} |" for name, reason in measured["not_run"].items()]


def _to_the_best(row: Mapping[str, Any], best: Mapping[str, float]) -> str:
    """A variant's speed as a multiple of the fastest peer's that computes as finely; of int8, of the fastest in bf16."""
    rival = best.get(RIVALS.get(row["name"].rpartition("-")[2], "none"))
    return f"{row['images_per_second'] / rival:.2f}×" if row["name"] not in PEERS and rival else ""


def _fidelity(decibels: float | None) -> str:
    return f"{decibels:.1f} dB" if decibels is not None else ""


if __name__ == "__main__":
    console.run(app, "bench")
