"""`gan serve` under load, beside LitServe and Ray Serve with the same model: python -m benchmarks.service --peers VENV

The peers live in an environment of their own (pip install litserve 'ray[serve]' onnxruntime pillow); without it: NOT RUN.
"""

import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import documents
from benchmarks.compute import compute_seconds
from benchmarks.dcgan64 import export_dcgan64
from benchmarks.documents import Document
from benchmarks.machine import machine
from benchmarks.servers import PEERS, PORT, Server, cells, gan_serve, load, memory, running, take_turns
from gansample.cli import console

RESULT = "service-cpu.json"
TITLES = {"gansample": "`gan serve`", "litserve": "LitServe", "ray": "Ray Serve"}

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def bench(
    peers: Annotated[Path | None, typer.Option(help="The peers' virtual environment.")] = None,
    rounds: Annotated[int, typer.Option(min=0, help="0 keeps the figures that are there, and only soaks.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Of load, each time.")] = 8,
    soak: Annotated[float, typer.Option(min=0, help="Seconds at twice the sustainable load.")] = 600,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Requests a second, latency and memory; 64 pictures a request; overload."""
    with tempfile.TemporaryDirectory() as name:
        bundle = Path(name) / "bundle"
        export_dcgan64(Path(name), None)
        ours = Server("gansample", "ours", gan_serve(bundle))
        others, not_run = _peers(bundle / "generator.onnx", peers)
        if rounds:
            document: dict[str, Any] = {
                "single": take_turns([ours, *others], rounds, seconds),
                "many": _many(ours, bundle, rounds, seconds),
                "soak": None,
                "not_run": not_run,
                "machine": machine(),
            }
        else:
            document = documents.load(RESULT)
        if soak:
            document["soak"] = _soak(ours, document["single"][0]["per_second"], soak)
    documents.save(RESULT, document)
    print(table(document))


def _peers(model: Path, venv: Path | None) -> tuple[list[Server], dict[str, str]]:
    """The peers that are installed, and why the others did not run."""
    servers: list[Server] = []
    not_run: dict[str, str] = {}
    for name, module, path in (("litserve", "litserve", "/predict"), ("ray", "ray.serve", "/")):
        python = str(venv / "bin" / "python") if venv is not None else None
        if python is None or subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            not_run[name] = "its package is not installed (--peers VENV)"
            continue
        command = [python, str(PEERS / f"{name}_server.py"), str(model), str(PORT)]
        stop = [str(Path(python).parent / "ray"), "stop", "--force"] if name == "ray" else []
        servers.append(Server(name, name, command, ready=(path, b'{"seed": 1}'), stop=stop))
    return servers, not_run


def _many(server: Server, bundle: Path, rounds: int, seconds: float) -> dict[str, float]:
    """Pictures a second in requests of 64, beside the engine without a service around it."""
    many, engine = [], []
    for _ in range(rounds):
        engine.append(1280 / compute_seconds(bundle, "onnx-fp32", 1280))
        with running(server):
            load("closed", "many", 4, 2)
            many.append(64 * load("closed", "many", 4, seconds)["per_second"])
    return {"images_per_second": round(statistics.median(many), 1), "engine": round(statistics.median(engine), 1)}


def _soak(server: Server, rate: float, seconds: float) -> dict[str, Any]:
    """Twice the sustainable rate for so long: what was answered, and memory after a tenth of it and at the end."""
    with running(server) as pid:
        first = load("open", "ours", 2 * rate, seconds / 10)["statuses"]
        early = memory(pid)
        rest = load("open", "ours", 2 * rate, seconds * 0.9)["statuses"]
        late = memory(pid)
        alive = load("closed", "ours", 1, 1)["statuses"]
    return {
        "seconds": seconds,
        "asked_per_second": round(2 * rate, 1),
        "statuses": {status: first.get(status, 0) + rest.get(status, 0) for status in {*first, *rest}},
        "mib": [early, late],
        "after": alive,
    }


def table(document: Document) -> str:
    """As Markdown, with every aim beside its figure."""
    rows = document["single"]
    lines = ["| 16 clients, one picture a request | requests/s | p50 | p99 | memory |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {TITLES[row['name']]} | {cells(row)}" for row in rows]
    lines += [f"| {TITLES[name]} | NOT RUN: {reason} | | | |" for name, reason in document["not_run"].items()]
    lines.append("")
    if (ratio := to_litserve(document)) is not None:
        lines.append(f"{ratio:.2f}× LitServe's rate (aim: 1.5×).")
    many = document["many"]
    share = many["images_per_second"] / many["engine"]
    lines.append(
        f"64 pictures a request: {many['images_per_second']:,.0f} pictures/s, {share:.0%} of the engine alone (aim: 85 %)."
    )
    if (soak := document["soak"]) is not None:
        answers = ", ".join(f"{number:,} × {status}" for status, number in sorted(soak["statuses"].items()))
        early, late = soak["mib"]
        asked = f"{soak['seconds']:.0f} s at {soak['asked_per_second']:,.0f} requests/s, twice what it sustains"
        lines.append(f"{asked}: {answers}; memory {early:.0f} → {late:.0f} MiB.")
    lines += ["", f"DCGAN-64, float32, {document['machine']['processor']}; load generator on the same two cores, medians."]
    return "\n".join(lines)


def to_litserve(document: Document) -> float | None:
    """Our requests a second as a ratio to LitServe's; None where that did not run."""
    rates = {row["name"]: row["per_second"] for row in document["single"]}
    return rates["gansample"] / rates["litserve"] if "litserve" in rates else None


if __name__ == "__main__":
    console.run(app, "bench")
