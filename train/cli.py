"""python -m train: a data set in, a trained generator in a folder out."""

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from gansample import console
from gansample.errors import UsageError
from train.config import PRESETS, Config
from train.run_folder import RunFolder

_STARTED = time.monotonic()  # before torch is imported: the time limit counts that too
DEFAULT_MINUTES = 2.5

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> NoReturn:
    console.run(app, "train")


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def train(
    preset: Annotated[str, typer.Option(help="modern, or classic: every well-known training tip taken literally.")] = "modern",
    seed: Annotated[int, typer.Option(help="Of everything random. The same seed gives the same weights.")] = 0,
    images: Annotated[int | None, typer.Option(help="Real pictures to show before training ends.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help=f"Fit the run into this time; {DEFAULT_MINUTES} unless --images is given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder for the run.", show_default="runs/NNNN-digits-PRESET")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change any field of the configuration.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the configuration and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Train a DCGAN on scikit-learn's handwritten digits: three minutes at most on two cores, nothing to download."""
    config, max_minutes = _resolve(preset, seed, images, max_minutes, settings or [])
    if dry_run:
        print(json.dumps({"preset": preset, "max_minutes": max_minutes, **config.to_dict()}, indent=1))
        return
    run = RunFolder.create(out, f"digits-{preset}")
    console.share_processor()

    from train.data.digits import digits
    from train.interruption import Interruption
    from train.reproducible import make_reproducible
    from train.scores.judge import Judge
    from train.session import Session, provenance
    from train.show.progress import open_progress
    from train.state import TrainingState

    make_reproducible(config.threads)
    progress = open_progress(quiet)
    try:
        data = digits(config.image_size)
        source = provenance(config, preset, data, shlex.join(["python", "-m", "train", *sys.argv[1:]]))
        run.write_json("config.json", {**source, "max_minutes": max_minutes})
        progress.note(f"{run.path}: {preset}, {config.images:,} images of {data.name}, seed {config.seed}")
        judge = Judge(data)
        progress.note(f"classifier of the real pictures: {judge.accuracy:.1%} of the held-out ones right")
        deadline = _STARTED + 60 * max_minutes if max_minutes is not None else None
        with Interruption() as interruption:
            session = Session(TrainingState(config, data), data, judge, run, progress, deadline, source)
            metrics = session.play(interruption)
    finally:
        progress.close()
    if not quiet:
        print(_summary(run.path, metrics, interruption.requested()), file=sys.stderr)
    if as_json:
        print(json.dumps({"run": str(run.path), "finished": session.state.finished, **metrics}))
    raise typer.Exit(interruption.exit_code)


def _resolve(
    preset: str, seed: int, images: int | None, max_minutes: float | None, settings: list[str]
) -> tuple[Config, float | None]:
    """The configuration and the time limit in minutes. Raises UsageError for what cannot be."""
    if preset not in PRESETS:
        raise UsageError(f"unknown preset {preset!r}", f"choose one of {', '.join(PRESETS)}")
    if max_minutes is not None and not max_minutes > 0:
        raise UsageError(f"--max-minutes is {max_minutes}", "it must be above 0")
    budget = [f"images={images}"] if images is not None else []
    given = [f"seed={seed}", *budget, *settings]
    if max_minutes is None and not any(setting.startswith("images=") for setting in given):
        max_minutes = DEFAULT_MINUTES
    return PRESETS[preset].with_settings(given), max_minutes


def _summary(run: Path, metrics: dict[str, Any], interrupted: bool) -> str:
    scores, real = metrics["scores"], metrics["real"]
    shares = "  ".join(f"{name}: {share:.0%}" for name, share in enumerate(scores["class_shares"]))
    rows = [
        ("Fréchet distance", "frechet", ".2f"),
        ("kernel distance", "kernel", ".3f"),
        ("precision", "precision", ".2f"),
        ("coverage", "coverage", ".2f"),
        ("class-share distance", "class_distance", ".3f"),
    ]
    table = "\n".join(f"  {label:<22}{scores[key]:>10{form}}{real[key]:>10{form}}" for label, key, form in rows)
    end = (
        "interrupted, the checkpoint is usable" if interrupted else f"done in {(time.monotonic() - _STARTED) / 60:.1f} minutes"
    )
    return (
        f"{end}\n  {'':<22}{'generated':>10}{'real':>10}\n{table}\n  classes  {shares}\n"
        f"look at {run / 'samples.png'}, then: make export"
    )
