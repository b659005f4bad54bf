"""`gan serve` under load, beside LitServe and Ray Serve with the same model: python -m benchmarks.service --peers VENV

The peers live in an environment of their own (pip install litserve 'ray[serve]' onnxruntime pillow); without it, NOT RUN.
Contestants take turns: each is started, warmed up, asked by 16 clients for one picture at a time, and ended, several times.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.machine import machine
from benchmarks.sampling import COMPUTE, PEERS
from gansample.cli import console
from gansample.system.atomic import write_atomic

RESULT = Path(__file__).parent / "results" / "service-cpu.json"
CLIENTS = 16
PATIENCE = 90  # seconds for a peer to start
PORT = 18_000

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
    from benchmarks.__main__ import prepare

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, None)
        bundle = folder / "bundle"
        commands = _commands(bundle, peers)
        not_run = {name: "its package is not installed (--peers VENV)" for name, command in commands.items() if command is None}
        document: dict[str, Any] = {"not_run": not_run, "machine": machine(), "soak": None}
        if rounds:
            document |= {
                "single": _singles(
                    {name: command for name, command in commands.items() if command is not None}, rounds, seconds
                ),
                "many": _many(bundle, commands["gansample"] or [], rounds, seconds),
            }
        else:
            document = json.loads(RESULT.read_text())
        if soak:
            rate = document["single"][0]["per_second"]
            document["soak"] = _soak(commands["gansample"] or [], rate, soak)
    write_atomic(RESULT, (json.dumps(document, indent=1) + "\n").encode())
    print(table(document))


def _singles(commands: dict[str, list[str]], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Sixteen clients, one picture a request, ours first."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            with _serving(command, name) as process:
                _load("closed", name, CLIENTS, 2)
                runs[name].append({**_load("closed", name, CLIENTS, seconds), "mib": _memory(process.pid)})
    return [_row(name, kept) for name, kept in runs.items()]


def _many(bundle: Path, command: list[str], rounds: int, seconds: float) -> dict[str, float]:
    """Pictures a second in requests of 64, beside the engine without a service around it."""
    many, engine = [], []
    for _ in range(rounds):
        engine.append(1280 / float(_output([sys.executable, "-c", COMPUTE, str(bundle), "onnx-fp32", "1280"])))
        with _serving(command, "gansample"):
            _load("closed", "many", 4, 2)
            many.append(64 * _load("closed", "many", 4, seconds)["per_second"])
    return {"images_per_second": round(statistics.median(many), 1), "engine": round(statistics.median(engine), 1)}


def _commands(bundle: Path, peers: Path | None) -> dict[str, list[str] | None]:
    model = str(bundle / "generator.onnx")
    ours = [sys.executable, "-m", "gansample.cli.gan", "serve", str(bundle), "--port", str(PORT)]
    commands: dict[str, list[str] | None] = {"gansample": ours, "litserve": None, "ray": None}
    python = peers / "bin" / "python" if peers is not None else None
    for name, module in (("litserve", "litserve"), ("ray", "ray.serve")):
        if (
            python is not None
            and subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
        ):
            commands[name] = [str(python), str(PEERS / f"{name}_server.py"), model, str(PORT)]
    return commands


@contextmanager
def _serving(command: list[str], name: str) -> Iterator[subprocess.Popen[bytes]]:
    """The contestant, answering; its whole process group is ended afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + PATIENCE
        while not _answers(name):
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"{name} does not answer: {' '.join(command)}")
            time.sleep(0.2)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if name == "ray":
            subprocess.run([str(Path(command[0]).parent / "ray"), "stop", "--force"], capture_output=True, check=False)


def _answers(name: str) -> bool:
    path, body = {"gansample": ("/readyz", None), "litserve": ("/predict", b'{"seed": 1}'), "ray": ("/", b'{"seed": 1}')}[name]
    asked = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _load(mode: str, kind: str, amount: float, seconds: float) -> dict[str, Any]:
    kind = "ours" if kind == "gansample" else kind
    text = _output([sys.executable, "-m", "benchmarks.load", mode, str(PORT), kind, str(amount), str(seconds)])
    result: dict[str, Any] = json.loads(text)
    return result


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _memory(pid: int) -> float:
    """MiB of a process and everything that it started: each page counted once (PSS)."""
    session, total = os.getsid(pid), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session or _is_ray(folder):
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration):
            continue
    return round(total / 1024, 1)


def _is_ray(folder: Path) -> bool:
    """Ray's daemons leave the session of whoever started them."""
    command = (folder / "cmdline").read_bytes()
    return b"ray::" in command or b"/ray/" in command


def _row(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "per_second": statistics.median(run["per_second"] for run in runs),
        "p50": statistics.median(run["milliseconds"]["p50"] for run in runs),
        "p99": statistics.median(run["milliseconds"]["p99"] for run in runs),
        "mib": statistics.median(run["mib"] for run in runs),
        "all": [run["per_second"] for run in runs],
    }


def _soak(command: list[str], rate: float, seconds: float) -> dict[str, Any]:
    """Twice the sustainable rate for so long: what was answered, and memory after a tenth of it and at the end."""
    with _serving(command, "gansample") as process:
        first = _load("open", "ours", 2 * rate, seconds / 10)
        early = _memory(process.pid)
        rest = _load("open", "ours", 2 * rate, seconds * 0.9)
        late = _memory(process.pid)
        alive = _load("closed", "ours", 1, 1)["statuses"]
    statuses = {
        key: first["statuses"].get(key, 0) + rest["statuses"].get(key, 0) for key in {*first["statuses"], *rest["statuses"]}
    }
    return {
        "seconds": seconds,
        "asked_per_second": round(2 * rate, 1),
        "statuses": statuses,
        "mib": [early, late],
        "after": alive,
    }


def table(document: Mapping[str, Any]) -> str:
    """As Markdown, with every aim beside its figure."""
    rows = document["single"]
    by_name = {row["name"]: row for row in rows}
    lines = ["| 16 clients, one picture a request | requests/s | p50 | p99 | memory |", "|---|---:|---:|---:|---:|"]
    names = {"gansample": "`gan serve`", "litserve": "LitServe", "ray": "Ray Serve"}
    for row in rows:
        figures = f"{row['per_second']:,.0f} | {row['p50']:.0f} ms | {row['p99']:.0f} ms | {row['mib']:,.0f} MiB"
        lines.append(f"| {names[row['name']]} | {figures} |")
    lines += [f"| {names[name]} | NOT RUN: {reason} | | | |" for name, reason in document["not_run"].items()]
    lines.append("")
    if "litserve" in by_name:
        ratio = by_name["gansample"]["per_second"] / by_name["litserve"]["per_second"]
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


if __name__ == "__main__":
    console.run(app, "bench")
