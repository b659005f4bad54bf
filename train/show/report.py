"""A run on one page: report.html, made only of the files in its folder, so that it can be made again at any time."""

import base64
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gansample.bundle.fields import parse_json
from gansample.errors import ArtefactError
from gansample.system.atomic import write_atomic
from train.checkpoint import MANIFEST
from train.run_folder import CONFIG
from train.show.chart import Curve, chart_svg
from train.show.nearest import COLUMNS
from train.show.nearest import FILE as NEAREST
from train.show.summary import class_names, score_rows

FILE = "report.html"
PREVIEWS = 60  # frames at most, however long the run
PREVIEW_BYTES = 12 << 20  # of all frames together, so that the page still opens at once
LISTED = 50  # skipped pictures and warnings, at most

# What repeating a run must not take from its command: how long it may take, where it goes, what it resumed from. And what it
# must add, because a machine may have chosen it.
_DROPPED = ("--images", "--max-minutes", "--out", "--resume")
_CHOSEN = ("precision", "device", "threads")
_DROPPED_FLAGS = ("--force", "--quiet", "--json", "--dry-run")

Row = Mapping[str, Any]


def write_report(run: Path) -> None:
    """Put the page into the run's folder. Raises OutputError where it cannot be written, ArtefactError as below."""
    write_atomic(run / FILE, report_html(run).encode())


def report_html(run: Path) -> str:
    """One self-contained page about the run in the folder `run`.

    Raises ArtefactError where that holds no checkpoint, or a file of it is damaged. What a run has not written is left out.
    """
    import jinja2  # late: training starts without it

    checkpoint = _json(run / MANIFEST)
    config = _json(run / CONFIG) if (run / CONFIG).is_file() else checkpoint
    log = read_log(run)
    scores = {row["images_seen"]: row for row in log if row["event"] == "scores"}
    metrics, trained = checkpoint["metrics"], checkpoint["trained"]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    template = environment.from_string(Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8"))
    warnings = [row for row in log if row["event"] == "warning"]
    skipped = _json(run / "skipped.json") if (run / "skipped.json").is_file() else []
    return template.render(
        name=run.resolve().name,
        checkpoint=checkpoint,
        trained=trained,
        rows=score_rows([metrics["scores"], metrics["real"]]),
        classifier={"name": "classifier", **metrics["classifier"]},
        fid=metrics.get("inception_fid"),
        samples=_data_uri(run / "samples.png"),
        frames=[(int(path.stem), _frame_caption(scores.get(int(path.stem))), _data_uri(path)) for path in previews(run)],
        charts=charts(log, metrics["real"]),
        classes=_class_bars(metrics),
        largest_share=max(*metrics["scores"]["class_shares"], *metrics["real"]["class_shares"]),
        nearest=_data_uri(run / NEAREST),
        columns=COLUMNS,
        warnings=warnings[-LISTED:],
        warnings_left_out=max(0, len(warnings) - LISTED),
        skipped=skipped[:LISTED],
        skipped_left_out=max(0, len(skipped) - LISTED),
        repeat=repeat_command(config["command"], trained["of"], checkpoint["config"]),
        resume=shlex.join(["python", "-m", "train", "--resume", str(run)]),
        settings=checkpoint["config"],
        versions=checkpoint["versions"],
        digests={
            "weights": next(iter(checkpoint["files"].values()))["sha256"],
            "classifier": metrics["classifier"]["sha256"],
            "data": checkpoint["data"]["fingerprint"],
        },
    )


def read_log(run: Path) -> list[Row]:
    """The rows of log.jsonl; the half of a line that a killed process left is no row."""
    rows = []
    for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines() if (run / "log.jsonl").is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def repeat_command(command: str, images: int, config: Mapping[str, Any]) -> str:
    """The command whose run gives the same weights: what was typed, with what the time limit and the machine made of it."""
    words, kept = iter(shlex.split(command)), []
    for word in words:
        if word in _DROPPED:
            next(words, None)
        elif word not in _DROPPED_FLAGS and word.partition("=")[0] not in _DROPPED:
            kept.append(word)
    for name, value in {"images": images, **{name: config[name] for name in _CHOSEN if name in config}}.items():
        kept += ["--set", f"{name}={value}"]  # the last --set of a field counts
    return shlex.join(kept)


def previews(run: Path) -> list[Path]:
    """The previews to show, in order: evenly thinned, the first and the last always among them."""
    paths = sorted(path for path in (run / "previews").glob("*.png") if path.stem.isdecimal())
    largest = max((path.stat().st_size for path in paths), default=1)
    count = min(len(paths), PREVIEWS, max(2, PREVIEW_BYTES // largest))
    return [paths[round(index * (len(paths) - 1) / max(1, count - 1))] for index in range(count)]


def charts(log: Sequence[Row], real: Row) -> list[str]:
    """Every curve of the run as SVG, those without a single point left out."""

    def curve(event: str, name: str) -> Curve:
        return [(row["images_seen"], row[name]) for row in log if row["event"] == event and row.get(name) is not None]

    def curves(event: str, **names: str) -> dict[str, Curve]:
        return {label: points for name, label in names.items() if (points := curve(event, name))}

    floor = {f"real {name}": real[name] for name in ("coverage", "recall") if name in real}
    drawn = [
        ("Fréchet distance", curves("scores", frechet="generated"), {"real": real["frechet"]}, True),
        ("Kernel distance", curves("scores", kernel="generated"), {}, True),
        ("Quality and variety", curves("scores", precision="precision", recall="recall", coverage="coverage"), floor, False),
        (
            "Classes",
            curves("scores", class_distance="class-share distance", obedience="class accuracy"),
            {"real class-share distance": real["class_distance"]},
            False,
        ),
        ("V(D, G)", curves("losses", value="V"), {"−2 log 2: D only guesses": -2 * math.log(2)}, False),
        ("What D believes", curves("losses", d_real="D(x)", d_fake="D(G(z))"), {}, False),
        ("Losses", curves("losses", loss_d="D", loss_g="G"), {}, False),
    ]
    return [chart_svg(title, lines, levels, logarithmic=powers) for title, lines, levels, powers in drawn if lines]


def _frame_caption(scores: Row | None) -> str:
    return "" if scores is None else f"Fréchet {scores['frechet']:.1f}, coverage {scores['coverage']:.2f}"


def _class_bars(metrics: Row) -> list[tuple[str, float, float]]:
    """(class, its share among generated pictures, its share among real ones), 0..1."""
    generated, real = metrics["scores"]["class_shares"], metrics["real"]["class_shares"]
    return list(zip(class_names(metrics), generated, real, strict=True))


def _data_uri(path: Path) -> str:
    """A picture as part of the page; empty where there is none."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""


def _json(path: Path) -> Any:
    try:
        return parse_json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "pass a run folder that holds a checkpoint") from None
