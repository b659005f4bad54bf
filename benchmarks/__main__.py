"""`make bench`: the DCGAN-64 generator in this project beside PyTorch and a plain ONNX Runtime export.

python -m benchmarks                              seeded random weights
python -m benchmarks --weights netG.pth           a trained state dict of the tutorial's generator
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.machine import machine
from gansample.cli import console
from gansample.system.atomic import write_atomic

RESULTS = Path(__file__).parent / "results"
REFERENCE = "pytorch-eager-fp32"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    weights: Annotated[Path | None, typer.Option(help="State dict of a tutorial DCGAN-64 (default: seeded random).")] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096)] = 64,
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="Interleaved rounds; the medians count.")] = 15,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULTS / "dcgan64-cpu.json",
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Measure pictures per second of every contestant, in one run, as ratios to PyTorch eager float32."""
    from benchmarks.contestants import PEERS

    threads = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        variants = prepare(Path(folder), weights)
        rows, not_run = measure([*PEERS, *variants], Path(folder), weights, batch, rounds, threads)
    for row in rows:
        if (receipt := variants.get(row["name"])) is not None:
            row["psnr_db"] = receipt
    document = {
        "model": "DCGAN-64, 3.6 M parameters, " + ("trained weights" if weights else "seeded random weights"),
        "batch": batch,
        "rounds": rounds,
        "threads": threads,
        "rows": rows,
        "not_run": not_run,
        "machine": machine(),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, (json.dumps(document, indent=2) + "\n").encode())
    from benchmarks.readme import table

    print(table(document))


def prepare(folder: Path, weights: Path | None) -> dict[str, float | None]:
    """Export the bundle and the plain ONNX file; gives each variant's PSNR before rounding."""
    import warnings

    import torch

    from benchmarks.dcgan64 import dcgan64_generator
    from export.build import build_bundle
    from export.parity.verdict import finite

    generator = dcgan64_generator(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            generator.network,
            (torch.zeros(2, 100),),
            folder / "plain.onnx",
            input_names=["z"],
            dynamic_shapes={"z": {0: torch.export.Dim("N", min=1, max=4096)}},
            external_data=False,
            verbose=False,
        )
    outcome = build_bundle(generator, folder / "bundle", lambda step: print(step, file=sys.stderr))
    return {report.variant: finite(report.unrounded_psnr_db) for report in outcome.reports}


def measure(
    names: list[str], folder: Path, weights: Path | None, batch: int, rounds: int, threads: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of figures, and the reasons of those that could not run. Contestants take turns, one process each."""
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
    eager = statistics.median(seconds[REFERENCE])
    return [_row(name, times, batch, eager) for name, times in seconds.items()], not_run


def _row(name: str, times: list[float], batch: int, eager: float) -> dict[str, Any]:
    median = statistics.median(times)
    low, _, high = statistics.quantiles(times, n=4)
    return {
        "name": name,
        "images_per_second": round(batch / median, 1),
        "ratio": round(eager / median, 2),
        "spread": round((high - low) / median, 3),
        "best_images_per_second": round(batch / min(times), 1),
    }


if __name__ == "__main__":
    console.run(app, "bench")
