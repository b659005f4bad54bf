"""python -m train: pictures in, a trained generator in a folder out."""

import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gansample.cli import console
from gansample.errors import UsageError
from train.data.request import DataRequest
from train.plan import TrainingPlan
from train.presets import config_for
from train.run_folder import RunFolder

_STARTED = time.monotonic()  # before torch is imported: the time limit counts that too
DIGITS_MINUTES = 2.5
DIVERGED = 7  # exit code of a run that stopped itself; its best generator is kept

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> NoReturn:
    console.run(app, "train")


@app.callback(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
def train(
    context: typer.Context,
    data: Annotated[
        str, typer.Option(help="digits, mnist, fashion-mnist, cifar10, or a folder, .tar, .zip, .npz or IDX file of pictures.")
    ] = "digits",
    image_size: Annotated[int, typer.Option(help="Side of the pictures that are drawn: 16, 28, 32, 64, 128 …")] = 32,
    conditional: Annotated[bool, typer.Option("--conditional", help="Learn to draw the class that is asked for.")] = False,
    preset: Annotated[str, typer.Option(help="modern, or classic: every well-known training tip taken literally.")] = "modern",
    seed: Annotated[int, typer.Option(help="Of everything random. The same seed gives the same weights.")] = 0,
    images: Annotated[int | None, typer.Option(help="Real pictures to show before training ends.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help=f"Fit the run into this time; {DIGITS_MINUTES} for digits unless --images is given.")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto times both at the start; fp32 or bf16.")] = "auto",
    x_flip: Annotated[bool, typer.Option("--x-flip", help="Mirror real pictures half of the time.")] = False,
    channels: Annotated[str, typer.Option(help="auto, grey or rgb.")] = "auto",
    fit: Annotated[str, typer.Option(help="What makes a picture square: crop, pad or stretch.")] = "crop",
    background: Annotated[str, typer.Option(help="Colour behind transparency and padding, like white or #202020.")] = "white",
    labels: Annotated[Path | None, typer.Option(metavar="CSV", help="A file that names each picture's class.")] = None,
    classes: Annotated[str | None, typer.Option(metavar="A,B,…", help="Keep only these classes.")] = None,
    data_root: Annotated[Path, typer.Option(help="Where named data sets lie, or are downloaded to.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="A new folder for the run.", show_default="runs/NNNN-DATA-PRESET")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change any field of the configuration.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on where this run was interrupted.")] = None,
    force: Annotated[bool, typer.Option("--force", help="With --resume: go on although the data have changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the configuration and stop.")] = False,
    save_seconds: Annotated[float, typer.Option(min=0, help="How much work a power cut may cost, at most.")] = 60.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write events for TensorBoard into the run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Train a DCGAN and leave everything in a new folder under runs/.

    \b
    python -m train                                   scikit-learn's digits: three minutes on two cores, nothing to download
    python -m train --data photos/ --image-size 64    your own pictures
    python -m train --resume runs/0003-photos-modern  go on with a run that was interrupted, bit for bit
    torchrun --nproc-per-node 2 -m train …            several GPUs or machines
    """
    if context.invoked_subcommand is not None:
        return
    first = int(os.environ.get("RANK", "0")) == 0  # of the processes that torchrun starts, this one shows and writes
    if resume is not None:
        if max_minutes is not None:
            raise UsageError("--max-minutes with --resume", "the length of a run is fixed when it starts")
        run: RunFolder | None = RunFolder.reopen(resume, lock=first)
        assert run is not None
        plan = TrainingPlan.from_run(run)
        run = run if first else None
    else:
        request = DataRequest(
            source=data,
            image_size=image_size,
            channels=channels,  # type: ignore[arg-type]  # checked there
            fit=fit,  # type: ignore[arg-type]
            background=background,
            conditional=conditional,
            labels_file=labels,
            classes=tuple(classes.split(",")) if classes is not None else None,
            data_root=data_root,
        )
        plan = _plan(preset, request, seed, images, max_minutes, precision, x_flip, settings or [], tensorboard)
        if dry_run:
            print(json.dumps(plan.to_dict(), indent=1))
            return
        if tensorboard:
            from train.show.tensorboard import check_installed

            check_installed()
        run = RunFolder.create(out, f"{plan.name}-{plan.preset}") if first else None
    console.share_processor()
    from train.run import run_training
    from train.show.progress import open_progress
    from train.show.summary import class_line, score_table

    progress = open_progress(quiet or not first)
    try:
        result = run_training(plan, run, progress, _STARTED, resume=resume is not None, force=force, save_seconds=save_seconds)
    finally:
        progress.close()
    if run is not None and not quiet:
        end = "interrupted" if result.interrupted else f"stopped: {result.stopped}" if result.stopped else "done"
        print(f"{end} after {(time.monotonic() - _STARTED) / 60:.1f} minutes", file=sys.stderr)
        print(score_table({"generated": result.metrics["scores"], "real": result.metrics["real"]}), file=sys.stderr)
        shares = class_line(result.metrics["class_names"], result.metrics["scores"]["class_shares"])
        print(f"  classes  {shares}", file=sys.stderr)
        if result.interrupted:
            print(f"the checkpoint is usable; go on with: python -m train --resume {run.path}", file=sys.stderr)
        print(f"look at {run.path / 'samples.png'} and {run.path / 'report.html'}, then: make export", file=sys.stderr)
    if run is not None and as_json:
        print(json.dumps({"run": str(run.path), "finished": result.finished, "stopped": result.stopped, **result.metrics}))
    raise typer.Exit(result.interrupted or (DIVERGED if result.stopped else 0))


@app.command("evaluate")
def evaluate_bundle(
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder or .onnx (default: the newest under artifacts/).")] = None,
    data: Annotated[str, typer.Option(help="The pictures to score against, as for training.")] = "digits",
    n: Annotated[int | None, typer.Option("--n", help="Pictures to draw (default: as training's last score).")] = None,
    fit: Annotated[str, typer.Option(help="What makes a picture square: crop, pad or stretch.")] = "crop",
    background: Annotated[str, typer.Option(help="Colour behind transparency and padding.")] = "white",
    labels: Annotated[Path | None, typer.Option(metavar="CSV", help="A file that names each picture's class.")] = None,
    data_root: Annotated[Path, typer.Option(help="Where named data sets lie.")] = Path("data"),
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino, cuda or tensorrt.")] = "auto",
    inception_weights: Annotated[Path | None, typer.Option(metavar="FILE", help="TorchScript Inception, for FID.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Score a deployed bundle: what gansample draws from it, before the judge that training is judged by."""
    from gansample.bundle.open import open_bundle

    opened = open_bundle(bundle)
    console.share_processor()
    from train.data.load import load_data
    from train.evaluate_bundle import evaluate
    from train.scores.evaluator import Evaluator
    from train.scores.inception import Inception
    from train.show.summary import summary

    spec = opened.spec
    request = DataRequest(
        source=data,
        image_size=spec.height,
        fit=fit,  # type: ignore[arg-type]  # checked there
        background=background,
        labels_file=labels,
        classes=spec.classes if labels is not None or Path(data).exists() else None,
        data_root=data_root,
    )
    inception = Inception(inception_weights) if inception_weights is not None else None
    pictures = load_data(request, lambda text: print(text, file=sys.stderr))
    result = evaluate(opened.path, pictures, Evaluator(pictures), n, backend, inception)
    print(json.dumps(result) if as_json else summary(result))


@app.command("ablate")
def ablate_tips(
    data: Annotated[str, typer.Option(help="digits, fashion-mnist, or any other source of pictures.")] = "digits",
    pictures: Annotated[int | None, typer.Option(help="Train on the first so many of them, shuffled.")] = None,
    images: Annotated[int, typer.Option(min=64, help="Pictures that every run sees.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Runs of every arm.")] = 3,
    data_root: Annotated[Path, typer.Option(help="Where named data sets lie.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="The file of results, gone on with where it exists.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Switch each tip of classic off alone, and each ingredient of modern on alone: what does it bring?"""
    console.share_processor()
    from train.ablate import ablate, subset
    from train.data.load import load_data
    from train.show.ablation import markdown

    def say(text: str) -> None:
        print(f"[{time.monotonic() - _STARTED:6.0f} s] {text}", file=sys.stderr, flush=True)

    request = DataRequest(source=data, data_root=data_root)
    found = load_data(request, say)
    if pictures is not None:
        found = subset(found, pictures)
    config = config_for("classic").with_settings([f"images={images}", "device=cpu"])
    plan = TrainingPlan(
        config=config, request=request, preset="classic", command=shlex.join(["python", "-m", "train", *sys.argv[1:]])
    )
    out = out if out is not None else Path("benchmarks/results") / f"ablation-{plan.name}.json"
    print(markdown(ablate(found, plan, seeds, out, say)))


def _plan(
    preset: str,
    request: DataRequest,
    seed: int,
    images: int | None,
    max_minutes: float | None,
    precision: str,
    x_flip: bool,
    settings: list[str],
    tensorboard: bool,
) -> TrainingPlan:
    """The run that was asked for. Raises UsageError for what cannot be."""
    if max_minutes is not None and not max_minutes > 0:
        raise UsageError(f"--max-minutes is {max_minutes}", "it must be above 0")
    given = [f"seed={seed}"]
    given += [f"images={images}"] if images is not None else []
    given += [f"precision={precision}"] if precision != "auto" else []
    given += ["x_flip=true"] if x_flip else []
    given += settings
    config = config_for(preset, source=request.source, image_size=request.image_size, conditional=request.conditional)
    config = config.with_settings(given)
    digits = request.source == "digits"
    if max_minutes is None and digits and not any(setting.startswith("images=") for setting in given):
        max_minutes = DIGITS_MINUTES
    request = replace(request, image_size=config.image_size, conditional=config.conditional)
    return TrainingPlan(
        config=config,
        request=request,
        preset=preset,
        command=shlex.join(["python", "-m", "train", *sys.argv[1:]]),
        max_minutes=max_minutes,
        tensorboard=tensorboard,
    )
