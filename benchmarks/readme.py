"""The README's benchmark table, rendered from the benchmark's own file: `python -m benchmarks.readme`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gansample.atomic import write_atomic

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
RESULTS = Path(__file__).parent / "results"
TRAINING_BEGIN, TRAINING_END = "<!-- training:begin -->", "<!-- training:end -->"


def table(document: Mapping[str, Any]) -> str:
    """The figures as Markdown: one row per contestant, in the order they were measured."""
    rows = [
        f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× | ± {row['spread'] / 2:.0%} |"
        f" {_fidelity(row)} |"
        for row in document["rows"]
    ]
    rows += [f"| {name} | NOT RUN | | | {reason} |" for name, reason in document["not_run"].items()]
    machine = document["machine"]
    return "\n".join(
        [
            "| what | pictures/s | to PyTorch eager | spread | PSNR to float64 |",
            "|---|---:|---:|---:|---:|",
            *rows,
            "",
            f"{document['model']}; batch {document['batch']}, medians of {document['rounds']} interleaved rounds,",
            f"{document['threads']} threads of {machine['processor']} ({', '.join(machine['instructions'])}).",
        ]
    )


def training_table(document: Mapping[str, Any]) -> str:
    """A training step of each contestant, in the same form."""
    rows = [
        f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× | ± {row['spread'] / 2:.0%} |"
        for row in document["rows"]
    ]
    return "\n".join(
        [
            "| a training step | pictures/s | to the tutorial's loop | spread |",
            "|---|---:|---:|---:|",
            *rows,
            "",
            f"{document['model']}; batch {document['batch']}, medians of {document['rounds']} interleaved rounds,",
            "on the same machine.",
        ]
    )


def replaced(readme: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    """`readme` with `content` between two markers. Raises ValueError where one is missing."""
    before, found_begin, rest = readme.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the README has no {begin} … {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def _fidelity(row: Mapping[str, Any]) -> str:
    return f"{row['psnr_db']:.1f} dB" if row.get("psnr_db") is not None else ""


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "README.md")
    text = replaced(path.read_text(), table(json.loads((RESULTS / "dcgan64-cpu.json").read_text())))
    training = training_table(json.loads((RESULTS / "training-cpu.json").read_text()))
    write_atomic(path, replaced(text, training, TRAINING_BEGIN, TRAINING_END).encode())
