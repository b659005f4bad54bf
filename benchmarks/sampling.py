"""How fast `gansample` starts, writes and scales, beside scripts that do only that: python -m benchmarks.sampling

Every figure is of whole processes, or of the seconds that they report themselves; contestants take turns, and medians count.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import documents
from benchmarks.compute import compute_seconds
from benchmarks.dcgan64 import dcgan64_generator, export_dcgan64
from benchmarks.machine import machine
from benchmarks.sampling_targets import plot_png, table
from benchmarks.servers import PEERS
from gansample.bundle.open import EMBEDDED
from gansample.cli import console
from gansample.errors import GansampleError
from gansample.system.atomic import write_atomic

RESULT = "sampling-cpu.json"
PLOT = Path("docs/sampling.png")
BULK = {"onnx-fp32": 10_000, "openvino-int8": 50_000}
"""Pictures of DCGAN-64 for a bulk figure; the exact variant needs a minute for the smaller number."""
SCALES = (1_000, 10_000, 100_000, 1_000_000)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def bench(
    weights: Annotated[Path | None, typer.Option(help="State dict of a tutorial DCGAN-64 (default: seeded random).")] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Cold starts of each contestant.")] = 21,
    bulk_rounds: Annotated[int, typer.Option(min=1)] = 3,
    largest: Annotated[int, typer.Option(min=1_000, help="Pictures of the longest run.")] = SCALES[-1],
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Measure cold starts, bulk output and scaling, and write the figures and their plot."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = _prepare(folder, weights)
        document = {
            "cold": cold_starts(folder, bundle, rounds),
            "bulk": [figure for variant in BULK if (figure := _bulk(folder, bundle, variant, bulk_rounds)) is not None],
            "scale": [_scale(folder, n) for n in SCALES if n <= largest],
            "machine": machine(),
        }
    documents.save(RESULT, document)
    write_atomic(PLOT, plot_png(document))
    print(table(document))


def _prepare(folder: Path, weights: Path | None) -> Path:
    """DCGAN-64 as a state dict, as a plain ONNX export and as a bundle; returns the bundle."""
    import torch

    export_dcgan64(folder, weights)
    torch.save(dcgan64_generator(weights).network.state_dict(), folder / "weights.pth")
    return folder / "bundle"


def cold_starts(folder: Path, bundle: Path, rounds: int) -> list[dict[str, Any]]:
    """Seconds from nothing to 64 pictures in a PNG, and of the commands that draw nothing."""
    python, out = sys.executable, str(folder / "out.png")
    ours = [python, "-m", "gansample", "--n", "64", "--force", "--quiet", out, "--bundle"]
    theirs = [python, str(PEERS / "grid_onnxruntime.py")]
    commands: dict[str, list[str]] = {
        "script: onnxruntime + Pillow, DCGAN-64": [*theirs, str(folder / "plain.onnx"), out],
        "gansample, DCGAN-64": [*ours, str(bundle)],
        "script: PyTorch, DCGAN-64": [python, str(PEERS / "grid_pytorch.py"), str(folder / "weights.pth"), out],
        "script: onnxruntime + Pillow, fashion": [*theirs, str(EMBEDDED / "fashion" / "generator.onnx"), out],
        "gansample, fashion": [*ours, str(EMBEDDED / "fashion")],
        "gansample --help": [python, "-m", "gansample", "--help"],
        "gansample --version": [python, "-m", "gansample", "--version"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first one reads the disk
                seconds[name].append(time.perf_counter() - started)
    return [{"name": name, **_spread(times)} for name, times in seconds.items()]


def _bulk(folder: Path, bundle: Path, variant: str, rounds: int) -> dict[str, Any] | None:
    """Pictures per second of drawing alone, into a tar and into an .npz, in turn."""
    from gansample.bundle.open import open_bundle

    n = BULK[variant]
    if variant not in {each.name for each in open_bundle(bundle).variants}:
        return None
    rates: dict[str, list[float]] = {"compute": [], "tar": [], "npz": []}
    for _ in range(rounds):
        for form, kept in rates.items():
            seconds = compute_seconds(bundle, variant, n) if form == "compute" else _drawn(folder, bundle, variant, n, form)
            kept.append(n / seconds)
    medians = {form: statistics.median(kept) for form, kept in rates.items()}
    shares = {form: round(medians[form] / medians["compute"], 3) for form in ("tar", "npz")}
    return {"variant": variant, "n": n, "images_per_second": {k: round(v, 1) for k, v in medians.items()}, "share": shares,
            "all": {form: [round(rate, 1) for rate in kept] for form, kept in rates.items()}}  # fmt: skip


def _drawn(folder: Path, bundle: Path, variant: str, n: int, form: str) -> float:
    """Seconds of drawing, encoding and writing, without opening the engine."""
    exact = variant == "onnx-fp32"
    options = ["--precision", "exact" if exact else "fast", "--backend", "onnxruntime" if exact else "openvino"]
    report = _gansample(folder, bundle, n, form, *options)[0]
    if report["variant"] != variant:
        raise GansampleError(f"{report['variant']} drew instead of {variant}", "the comparison would mean nothing")
    return float(report["seconds"]["draw"])


def _scale(folder: Path, n: int) -> dict[str, Any]:
    """Microseconds a picture and peak memory for `n` pictures of the bundle in the package, to a tar."""
    report, peak = _gansample(folder, EMBEDDED / "fashion", n, "tar")
    seconds = report["seconds"]["draw"]
    return {"n": n, "microseconds": round(1e6 * seconds / n, 2), "peak_mib": round(peak, 1), "engine": report["variant"]}


def _gansample(folder: Path, bundle: Path, n: int, form: str, *options: str) -> tuple[Mapping[str, Any], float]:
    """What the command reports, and its peak memory in MiB."""
    out = folder / f"bulk.{form}"
    command = [sys.executable, "-m", "gansample", "--n", str(n), "--bundle", str(bundle), "--json", *options, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = 0
        while process.poll() is None:  # not its ru_maxrss, which begins with what this process, its parent, holds
            peak = max(peak, _high_water(process.pid))
            time.sleep(0.02)
        text = process.stdout.read() if process.stdout is not None else ""
    if process.returncode:
        raise SystemExit(process.returncode)
    out.unlink()
    return json.loads(text), peak / 1024


def _high_water(pid: int) -> int:
    """The most memory that a process has had so far, KiB; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(seconds, n=4)
    return {"seconds": round(median, 4), "spread": round((high - low) / median, 3)}


if __name__ == "__main__":
    console.run(app, "bench")
