"""How good are the pictures? Both presets, several seeds, equal time: python -m benchmarks.quality

Every run is the command a user would type, one after the other. Results are written after each run, and runs that the file
already has are not repeated.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import documents
from benchmarks.documents import RESULTS, Document
from benchmarks.machine import machine
from gansample.cli import console
from gansample.errors import GansampleError
from train.data.request import DOWNLOADED

PRESETS = ("modern", "classic")
COLUMNS = (
    ("frechet", "Fréchet distance", ".2f"),
    ("coverage", "coverage", ".2f"),
    ("recall", "recall", ".2f"),
    ("class_distance", "class-share distance", ".3f"),
)

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def bench(
    data: Annotated[str, typer.Option(help="As for python -m train.")] = "digits",
    minutes: Annotated[float, typer.Option(help="For every run.")] = 2.5,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    data_root: Annotated[Path, typer.Option()] = Path("data"),
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Train both presets with several seeds for equally long, and keep what they scored."""
    name = f"quality-{data}.json"
    document: dict[str, Any] = {"data": data, "minutes": minutes, "rows": []}
    if (RESULTS / name).exists():
        document = documents.load(name)
    done = {(row["preset"], row["seed"]) for row in document["rows"]}
    for seed in range(seeds):
        for preset in PRESETS:
            if (preset, seed) in done:
                continue
            result = _train(data, preset, seed, minutes, data_root)
            document["rows"].append({"preset": preset, "seed": seed, **result["scores"], "trained": result["trained"]})
            document |= {"real": result["real"], "classifier": result["classifier"], "machine": machine()}
            documents.save(name, document)
    print(table(document))


def _train(data: str, preset: str, seed: int, minutes: float, data_root: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "train", "--data", data, "--preset", preset]
        command += ["--data-root", str(data_root)] if data in DOWNLOADED else []
        command += ["--seed", str(seed), "--max-minutes", str(minutes), "--out", f"{folder}/run", "--json"]
        command += ["--set", "images=10000000"]  # the time is the limit
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise GansampleError(f"{' '.join(command[1:])} ended with exit code {done.returncode}")
        checkpoint = json.loads((Path(folder) / "run/checkpoint.json").read_text(encoding="utf-8"))
        result: dict[str, Any] = {**json.loads(done.stdout), "trained": checkpoint["trained"]}
        return result


def table(document: Document) -> str:
    """Mean ± standard deviation over the seeds, beside real pictures."""
    rows = []
    for preset in PRESETS:
        runs = [row for row in document["rows"] if row["preset"] == preset]
        cells = [_spread([run[key] for run in runs], form) for key, _, form in COLUMNS]
        rows.append(f"| {preset} | {' | '.join(cells)} |")
    floor = [format(document["real"][key], form) for key, _, form in COLUMNS]
    seeds = len({row["seed"] for row in document["rows"]})
    return "\n".join(
        [
            f"| {document['data']}, {document['minutes']:g} minutes | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
            "|---|" + "---:|" * len(COLUMNS),
            *rows,
            f"| real pictures | {' | '.join(floor)} |",
            "",
            f"{seeds} seeds, mean ± standard deviation, {document['machine']['processor']}.",
        ]
    )


def _spread(values: list[float], form: str) -> str:
    if len(values) < 2:
        return "".join(format(value, form) for value in values) or "NOT RUN"
    return f"{format(statistics.fmean(values), form)} ± {format(statistics.stdev(values), form)}"


if __name__ == "__main__":
    console.run(app, "quality")
