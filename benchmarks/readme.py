"""The README's benchmark table, rendered from the benchmark's own file: `python -m benchmarks.readme`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gansample.atomic import write_atomic

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
RESULT = Path(__file__).parent / "results" / "dcgan64-cpu.json"


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


def replaced(readme: str, document: Mapping[str, Any]) -> str:
    """`readme` with the table between its markers. Raises ValueError where a marker is missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table(document)}\n{END}{after}"


def _fidelity(row: Mapping[str, Any]) -> str:
    return f"{row['psnr_db']:.1f} dB" if row.get("psnr_db") is not None else ""


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "README.md")
    write_atomic(path, replaced(path.read_text(), json.loads(RESULT.read_text())).encode())
