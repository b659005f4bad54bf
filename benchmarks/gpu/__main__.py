"""`make test-gpu`: DCGAN-64 on every engine, in PyTorch beside it, and a training step: one file, and the page from it.

Without a GPU its figures say NOT RUN, and the CPU's engines are measured. The file is written after every step, so that whoever
stops it keeps what was measured.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.dcgan64 import dcgan64_generator
from benchmarks.gpu import pytorch, training
from benchmarks.gpu.page import page
from benchmarks.gpu.pytorch import WAYS, PyTorchJob, precision_of
from benchmarks.gpu.training import STEPS
from export.build import build_bundle
from export.variants import builders
from gansample.bundle.open import open_bundle
from gansample.cli import console
from gansample.cli.log import log_to_stderr
from gansample.errors import BackendUnavailable, ParityError
from gansample.sampling.report.budget import Budget, shares
from gansample.sampling.report.measure import compared_latents
from gansample.sampling.report.page import machine_facts
from gansample.sampling.report.process import Ended, Late, facts_from
from gansample.sampling.report.row import STOPPED, EngineRow
from gansample.sampling.report.run import GRACE, draw_expected, follow, measure_bundle
from gansample.sampling.report.worker import Job
from gansample.system.atomic import write_atomic

RESULT = Path("benchmarks/results/gpu.json")
PAGE = Path("docs/gpu-report.md")
ENGINES, PYTORCH = 0.45, 0.6  # of what is left when each begins; the rest is for training
VARIANTS = "onnx-fp16,openvino-bf16"  # beside onnx-fp32; int8 is a CPU's, and tuned for minutes

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def bench(
    minutes: Annotated[float, typer.Option(min=1, max=1440, help="Time for all of it.")] = 9,
    device: Annotated[str, typer.Option(help="What PyTorch uses: cuda, or cpu to try this without a GPU.")] = "cuda",
    weights: Annotated[Path | None, typer.Option(help="State dict of a tutorial DCGAN-64 (default: seeded random).")] = None,
    result: Annotated[Path, typer.Option(help="The file.")] = RESULT,
    out: Annotated[Path, typer.Option(help="The page from it.")] = PAGE,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Measure DCGAN-64 on every engine of this machine's GPU and CPU, PyTorch beside it, and a training step.

    Exit code 4: something did not run here. 6: an engine draws other pictures.
    """
    log_to_stderr("test-gpu")
    budget = Budget(60 * minutes * 0.95)
    ways = [EngineRow(variant=name, precision=precision_of(name), backend="pytorch", on_gpu=device == "cuda") for name in WAYS]
    steps: list[dict[str, Any]] = [{"name": name, "reason": STOPPED} for name in STEPS]
    engines: list[EngineRow] = []
    document: dict[str, Any] = {
        "facts": {**machine_facts(), "torch": torch.__version__, "PyTorch's device": device},
        "reference": "",
        "latents": 0,
        "engines_reason": "stopped before the generator was exported",
        "pytorch_settings": pytorch.SETTINGS,
        "training_settings": training.SETTINGS,
    }

    def save() -> None:
        document.update(engines=[row.to_dict() for row in engines], pytorch=[row.to_dict() for row in ways], training=steps)
        for path, text in ((result, json.dumps(document, indent=1) + "\n"), (out, page(document))):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text.encode())

    save()
    with tempfile.TemporaryDirectory(prefix="gansample-gpu-") as folder:
        work = Path(folder)
        generator = dcgan64_generator(weights)
        torch.save(generator.network.state_dict(), work / "weights.pt")
        build_bundle(generator, work / "bundle", builders(variants=VARIANTS), effort="quick")
        bundle = open_bundle(work / "bundle")
        document.update(reference=bundle.reference, latents=compared_latents(bundle.spec))

        def engines_changed(rows: list[EngineRow]) -> None:
            engines[:] = rows
            save()

        measure_bundle(bundle, engines_changed, seconds=ENGINES * budget.left)
        _measure_ways(ways, device, work, PYTORCH * budget.left, save)
    _measure_steps(steps, device, budget, save)
    _verdict([*engines, *(row for row in ways if row.variant != pytorch.COPIES)], engines, steps, out)


def _measure_ways(ways: list[EngineRow], device: str, work: Path, seconds: float, save: Callable[[], None]) -> None:
    """PyTorch's ways, one after the other, each in a process of its own with empty caches."""
    budget, expected = Budget(seconds), work / "expected.npy"
    job = Job(stage="expected", bundle=str(work / "bundle"), expected=str(expected))
    if (reason := draw_expected(job, budget.left / 4, work / "caches")) is not None:
        for row in ways:
            row.learn({"reasons": [reason]})
        return
    for index, (row, share) in enumerate(shares(ways, budget)):
        asked = PyTorchJob(
            name=row.variant, device=device, weights=str(work / "weights.pt"), bundle=str(work / "bundle"),
            expected=str(expected), seconds=share,
        )  # fmt: skip
        facts = facts_from("benchmarks.gpu.pytorch", json.dumps(asked.to_dict()) + "\n", share + GRACE, work / f"torch-{index}")
        follow(row, facts, "cold_seconds", save, f"finish the comparison within {share:.0f} s")
        row.settle("out of time")
        save()


def _measure_steps(steps: list[dict[str, Any]], device: str, budget: Budget, save: Callable[[], None]) -> None:
    for index, row in enumerate(steps):
        share = budget.left / (len(steps) - index)
        with tempfile.TemporaryDirectory(prefix="gansample-gpu-") as caches:
            asked = json.dumps({"name": row["name"], "device": device}) + "\n"
            try:
                for _, fact in facts_from("benchmarks.gpu.training", asked, share, Path(caches)):
                    del row["reason"]
                    row.update(fact)
            except Late:
                row["reason"] = f"out of time: no figure within {share:.0f} s"
            except Ended as error:
                row["reason"] = str(error)
        save()


def _verdict(rows: list[EngineRow], engines: list[EngineRow], steps: list[dict[str, Any]], out: Path) -> None:
    if failed := [row for row in engines if row.verdict == "FAIL"]:
        names = ", ".join(f"{row.variant} on {row.backend}" for row in failed)
        raise ParityError(f"{names} does not draw the reference's pictures here", f"see: {out}")
    missing = [f"{row.variant} on {row.backend}" for row in rows if row.verdict != "PASS"]
    missing += [row["name"] for row in steps if "reason" in row]
    if missing:
        words = f"{missing[0]}, and {len(missing) - 1} more" if len(missing) > 1 else missing[0]
        raise BackendUnavailable(f"{words} did not run on this machine", f"see: {out}")


if __name__ == "__main__":
    console.run(app, "test-gpu")
