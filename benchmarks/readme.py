"""The README's benchmark tables, rendered from the benchmarks' own files: `python -m benchmarks.readme`."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import quality, sampling_page, service
from gansample.system.atomic import write_atomic

RESULTS = Path(__file__).parent / "results"


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


TABLES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "bench": ("dcgan64-cpu.json", table),
    "training": ("training-cpu.json", training_table),
    "quality": ("quality-digits.json", quality.table),
    "quality-fashion": ("quality-fashion-mnist.json", quality.table),
    "sampling": ("sampling-cpu.json", sampling_page.table),
    "service": ("service-cpu.json", service.table),
}
"""Name of the markers -> the file, and what makes a table of it."""


def rendered(readme: str) -> str:
    """`readme` with every table anew from its file."""
    for name, (file, render) in TABLES.items():
        readme = replaced(readme, name, render(json.loads((RESULTS / file).read_text())))
    return readme


def replaced(readme: str, name: str, content: str) -> str:
    """`readme` with `content` between the markers of that name. Raises ValueError where one is missing."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found_begin, rest = readme.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the README has no {begin} … {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def _fidelity(row: Mapping[str, Any]) -> str:
    return f"{row['psnr_db']:.1f} dB" if row.get("psnr_db") is not None else ""


def rendered_service(page: str) -> str:
    """docs/serve.md with its table of load."""
    return replaced(page, "service", service.table(json.loads((RESULTS / "service-cpu.json").read_text())))


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "README.md")
    write_atomic(path, rendered(path.read_text()).encode())
    page = Path("docs/serve.md")
    write_atomic(page, rendered_service(page.read_text()).encode())
