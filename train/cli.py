"""python -m train: pictures in, a trained generator in a folder out."""

import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gansample.cli import console
from gansample.errors import UsageError
from train.data.request import DOWNLOADED, NAMES, DataRequest
from train.plan import DIGITS_MINUTES, TrainingPlan, TrainOptions
from train.presets import config_for
from train.run_folder import RunFolder

if TYPE_CHECKING:
    from train.run import TrainingResult

_STARTED = time.monotonic()  # before torch is imported: the time limit counts that too
DIVERGED = 7  # exit code of a run that stopped itself; its best generator is kept
RESUME_OPTIONS = {"--resume", "--force", "--data-root", "--dry-run", "--save-seconds", "--json", "--quiet", "--debug"}
"""What may be given with --resume: the rest of a run was fixed when it started."""

GROUPS = {
    "On which pictures": "data image_size channels fit background labels classes conditional x_flip data_root",
    "How": "preset settings seed images max_minutes precision",
    "Into what": "out resume force save_seconds tensorboard dry_run",
}  # of --help
app = typer.Typer(cls=console.grouped_app(GROUPS), add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def main() -> NoReturn:
    console.run(app, "train")


@app.callback(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
def train(
    context: typer.Context,
    data: Annotated[
        str, typer.Option(help="digits, mnist, fashion-mnist, cifar10, or a folder, .tar, .zip, .npz or IDX file of pictures.")
    ] = "digits",
    image_size: Annotated[int, typer.Option(help="Side of the generated pictures in pixels: 16, 28, 32, 64, 128 …")] = 32,
    conditional: Annotated[bool, typer.Option("--conditional", help="Learn to generate a requested class.")] = False,
    preset: Annotated[str, typer.Option(help="modern, or classic: every well-known training tip taken literally.")] = "modern",
    seed: Annotated[int, typer.Option(help="Seed of everything random. The same seed gives the same weights.")] = 0,
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
    classes: Annotated[str | None, typer.Option(metavar="A,B,…", help="Use only these classes.")] = None,
    data_root: Annotated[Path, typer.Option(help="Folder of the named data sets, downloaded to if missing.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="A new folder for the run.", show_default="runs/NNNN-DATA-PRESET")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change any field of the configuration.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Resume this run where it was interrupted.")] = None,
    force: Annotated[bool, typer.Option("--force", help="With --resume: continue although the data have changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan of the run and stop.")] = False,
    save_seconds: Annotated[float, typer.Option(min=0, help="Save a training state at least this often, in seconds.")] = 60.0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write events for TensorBoard into the run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Train a DCGAN and leave everything in a new folder under runs/.

    \b
    python -m train                                   scikit-learn's digits: three minutes on two cores, nothing to download
    python -m train --data photos/ --image-size 64    your own pictures
    python -m train --resume runs/0003-photos-modern  resume an interrupted run, bit for bit
    torchrun --nproc-per-node 2 -m train …            several GPUs or machines
    """
    given = _options_given(context)
    if (command := context.invoked_subcommand) is not None:
        _refuse(given - {"--debug"}, f"before {command}", f"write what {command} takes after its name: train {command} --help")
        return
    if resume is None:
        _refuse(given & {"--force"}, "without --resume", "pass --resume RUN, or leave it out")
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
        options = TrainOptions(
            request=request,
            preset=preset,
            seed=seed,
            images=images,
            max_minutes=max_minutes,
            precision=precision,
            x_flip=x_flip,
            settings=tuple(settings or ()),
            tensorboard=tensorboard,
        )
        plan = TrainingPlan.from_options(options, _command())
    else:
        _refuse(
            given - RESUME_OPTIONS,
            "with --resume",
            "a run keeps the options it was started with: resume without, or start a new run",
        )
        plan = TrainingPlan.from_run(RunFolder.reopen(resume, lock=False))
        if "--data-root" in given:
            plan = replace(plan, request=replace(plan.request, data_root=data_root))
    _refuse_for_source(given, plan.request.source)
    if dry_run:
        print(json.dumps(plan.to_dict(), indent=1))
        return
    if plan.tensorboard:
        from train.show.tensorboard import check_installed

        check_installed()
    run: RunFolder | None = None
    main_process = int(os.environ.get("RANK", "0")) == 0  # of those that torchrun starts, the one that shows and writes
    if main_process:
        run = RunFolder.create(out, f"{plan.name}-{plan.preset}") if resume is None else RunFolder.reopen(resume)
    console.share_processor()
    from train.run import run_training
    from train.show.progress import open_progress

    with open_progress(quiet or not main_process) as progress:
        result = run_training(plan, run, progress, _STARTED, resume=resume is not None, force=force, save_seconds=save_seconds)
    if run is not None and not quiet:
        _print_result(run, result)
    if run is not None and as_json:
        print(json.dumps({"run": str(run.path), "finished": result.finished, "stopped": result.stopped, **result.metrics}))
    raise typer.Exit(result.interrupted or (DIVERGED if result.stopped else 0))


def _options_given(context: typer.Context) -> set[str]:
    """The names of the options that were typed, such as --seed."""
    return {
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name is not None
        and (source := context.get_parameter_source(parameter.name)) is not None
        and source.name == "COMMANDLINE"
    }


def _refuse(options: set[str], where: str, remedy: str) -> None:
    """Raise UsageError where any of the `options` was given: one that cannot apply is never ignored."""
    if options:
        raise UsageError(f"{', '.join(sorted(options))} {where}", remedy)


def _refuse_for_source(given: set[str], source: str) -> None:
    """Refuse options that change nothing for this kind of source."""
    if source in NAMES:
        _refuse(given & {"--fit", "--background"}, f"with {source}", "its pictures are square and opaque already")
    if source not in DOWNLOADED:
        _refuse(given & {"--data-root"}, f"with {source}", f"only {', '.join(DOWNLOADED)} lie there")


def _command() -> str:
    return shlex.join(["python", "-m", "train", *sys.argv[1:]])


def _print_result(run: RunFolder, result: "TrainingResult") -> None:
    """How the run ended, its scores, and what to do next, on stderr."""
    from train.show.summary import class_line, score_table

    metrics = result.metrics
    end = "interrupted" if result.interrupted else f"stopped: {result.stopped}" if result.stopped else "done"
    lines = [
        f"{end} after {(time.monotonic() - _STARTED) / 60:.1f} minutes",
        score_table({"generated": metrics["scores"], "real": metrics["real"]}),
        f"  classes  {class_line(metrics['class_names'], metrics['scores']['class_shares'])}",
    ]
    if result.interrupted:
        lines.append(f"the checkpoint is usable; resume with: python -m train --resume {run.path}")
    lines.append(f"look at {run.path / 'samples.png'} and {run.path / 'report.html'}, then: make export")
    print("\n".join(lines), file=sys.stderr)


@app.command("evaluate")
def evaluate_bundle(
    context: typer.Context,
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder or .onnx (default: the newest under artifacts/).")] = None,
    data: Annotated[str, typer.Option(help="The pictures to score against, as for training.")] = "digits",
    n: Annotated[int | None, typer.Option("--n", help="Pictures to draw (default: as for training's final score).")] = None,
    fit: Annotated[str, typer.Option(help="What makes a picture square: crop, pad or stretch.")] = "crop",
    background: Annotated[str, typer.Option(help="Colour behind transparency and padding.")] = "white",
    labels: Annotated[Path | None, typer.Option(metavar="CSV", help="A file that names each picture's class.")] = None,
    data_root: Annotated[Path, typer.Option(help="Folder of the named data sets.")] = Path("data"),
    backend: Annotated[str, typer.Option(help="auto, onnxruntime, openvino, cuda, tensorrt, tensorrt-rtx or webgpu.")] = "auto",
    inception_weights: Annotated[Path | None, typer.Option(metavar="FILE", help="TorchScript Inception, for FID.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Score a deployed bundle: what gansample draws from it, by the same evaluator as in training."""
    from gansample.bundle.open import open_bundle

    _refuse_for_source(_options_given(context), data)
    console.log_to_stderr("train")
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
    pictures = load_data(request)
    result = evaluate(opened.path, pictures, Evaluator(pictures), n, backend, inception)
    print(json.dumps(result) if as_json else summary(result))


@app.command("ablate")
def ablate_tips(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="digits, fashion-mnist, or any other source of pictures.")] = "digits",
    pictures: Annotated[int | None, typer.Option(help="Train on only this many of them, shuffled.")] = None,
    images: Annotated[int, typer.Option(min=64, help="Pictures that every run sees.")] = 20_000,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Runs of every arm.")] = 3,
    data_root: Annotated[Path, typer.Option(help="Folder of the named data sets.")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="The file of results; an existing one is continued.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Switch each tip of classic off alone, and each ingredient of modern on alone: what does it bring?"""
    _refuse_for_source(_options_given(context), data)
    console.log_to_stderr("train")
    console.share_processor()
    from train.ablate import ablate, subset
    from train.data.load import load_data
    from train.show.ablation import markdown

    request = DataRequest(source=data, data_root=data_root)
    found = load_data(request)
    if pictures is not None:
        found = subset(found, pictures)
    config = config_for("classic").with_settings([f"images={images}", "device=cpu"])
    plan = TrainingPlan(
        config=config, request=request, preset="classic", command=shlex.join(["python", "-m", "train", *sys.argv[1:]])
    )
    out = out if out is not None else Path("benchmarks/results") / f"ablation-{plan.name}.json"
    print(markdown(ablate(found, plan, seeds, out)))
