"""The adapters of docs/scale.md beside a single process, in one run: python -m benchmarks.scale

Serving: 16 clients, one picture a request, everything on the machine's own cores. Bulk: what one more picture takes, from two
jobs of different length, so that what starting takes is told apart.
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
from benchmarks.service import CLIENTS, PORT, _memory, _output
from gansample.bundle.open import open_bundle
from gansample.cli import console
from gansample.system.atomic import write_atomic
from gansample.triton.repository import export_triton

RESULT = Path(__file__).parent / "results" / "scale-cpu.json"
PAGE = Path("docs/scale.md")
PATIENCE = 120.0
FEW, MANY, SHARD = 4_000, 24_000, 1_000

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Of load, each time.")] = 6,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Requests a second and memory of each way of serving; pictures a second of each way of drawing very many."""
    from benchmarks.__main__ import prepare

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, None)
        bundle = folder / "bundle"
        serving, not_run = _serving(bundle, folder, rounds, seconds)
        document: dict[str, Any] = {
            "machine": machine(),
            "rounds": rounds,
            "serving": serving,
            "bulk": _bulk(bundle, folder, rounds),
            "not_run": not_run,
        }
    write_atomic(RESULT, (json.dumps(document, indent=1) + "\n").encode())
    write_page()
    print(serving_table(document), bulk_table(document), sep="\n\n")


def _serving(bundle: Path, folder: Path, rounds: int, seconds: float) -> tuple[list[dict[str, Any]], dict[str, str]]:
    gan = [sys.executable, "-m", "gansample.cli.gan", "serve", str(bundle), "--port", str(PORT)]
    ways: list[tuple[str, str, str, list[str], dict[str, str], Path]] = []
    for kind, ready in (("ours", "/readyz"), ("v2", "/v2/models/bundle/ready")):
        ways.append(("gan serve", kind, ready, gan, dict(os.environ), folder))
        for replicas in ("1", "2"):
            command = [*gan, "--ray", "--replicas", replicas]
            ways.append((f"gan serve --ray --replicas {replicas}", kind, ready, command, dict(os.environ), folder))
    not_run: dict[str, str] = {}
    try:
        from tests.support import triton_server
    except ImportError as error:
        not_run["Triton, python backend"] = f"{error.name} is not installed"
    else:
        if triton_server.STUB.exists():
            export_triton(open_bundle(bundle), folder / "triton")
            (folder / "server").mkdir()
            words, environment = triton_server.command(folder / "server", folder / "triton" / "seeds")
            words += ["--http-address=127.0.0.1", f"--http-port={PORT}", "--allow-grpc=false"]
            ready = "/v2/models/bundle/ready"
            ways.append(("Triton, python backend", "v2", ready, words, environment, folder / "server"))
        else:
            not_run["Triton, python backend"] = "make bindings"
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for name, kind, ready, command, environment, where in ways:
            with _answering(command, environment, where, ready) as process:
                _load(kind, 2)
                runs.setdefault((name, kind), []).append({**_load(kind, seconds), "mib": _memory(process.pid)})
    rows = [
        {
            "name": name,
            "kind": kind,
            "per_second": statistics.median(run["per_second"] for run in kept),
            "p50": statistics.median(run["milliseconds"]["p50"] for run in kept),
            "p99": statistics.median(run["milliseconds"]["p99"] for run in kept),
            "mib": statistics.median(run["mib"] for run in kept),
            "statuses": sorted({status for run in kept for status in run["statuses"]}),
        }
        for (name, kind), kept in runs.items()
    ]
    return rows, not_run


@contextmanager
def _answering(command: list[str], environment: dict[str, str], where: Path, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=where, env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        end = time.monotonic() + PATIENCE
        while not _ready(ready):
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"does not answer: {' '.join(command)}")
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ready(path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _load(kind: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", "closed", str(PORT), kind, str(CLIENTS), str(seconds)]
    result: dict[str, Any] = json.loads(_output(command))
    return result


def _bulk(bundle: Path, folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Pictures a second of each way, and what it takes before the first: from a short and a long job, medians."""
    ways = {
        "one process": [],
        "--ray --workers 1": ["--ray", "--workers", "1"],
        "--ray --workers 2": ["--ray", "--workers", "2"],
    }
    taken: dict[tuple[str, int], list[float]] = {}
    written = 0
    for _ in range(rounds):
        for name, words in ways.items():
            for n in (FEW, MANY):
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    command = [sys.executable, "-m", "gansample", "--bundle", str(bundle), "--backend", "onnxruntime"]
                    command += ["--n", str(n), "--shard", str(SHARD), "--quiet", *words, f"{out}/p.tar"]
                    started = time.perf_counter()
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    taken.setdefault((name, n), []).append(time.perf_counter() - started)
                    written = sum(path.stat().st_size for path in Path(out).glob("*.tar")) // n
    rows = []
    for name in ways:
        few, many = (statistics.median(taken[name, n]) for n in (FEW, MANY))
        rate = (MANY - FEW) / (many - few)
        rows.append(
            {"name": name, "per_second": round(rate, 1), "before": round(few - FEW / rate, 1), "bytes_a_picture": written}
        )
    return rows


def serving_table(document: Mapping[str, Any]) -> str:
    kinds = {"ours": "PNG", "v2": "raw pixels, v2"}
    lines = [
        "| 16 clients, one picture a request | answer | requests/s | p50 | p99 | memory |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in document["serving"]:
        figures = f"{row['per_second']:,.0f} | {row['p50']:.0f} ms | {row['p99']:.0f} ms | {row['mib']:,.0f} MiB"
        name = f"`{row['name']}`" if row["name"].startswith("gan") else row["name"]
        lines.append(f"| {name} | {kinds[row['kind']]} | {figures} |")
    lines += [f"| {name} | | NOT RUN: {reason} | | | |" for name, reason in document["not_run"].items()]
    where = f"DCGAN-64, float32, {document['machine']['processor']}; load generator on the same two cores, medians of"
    return "\n".join([*lines, "", f"{where} {document['rounds']}."])


def bulk_table(document: Mapping[str, Any]) -> str:
    rows = document["bulk"]
    base = rows[0]["per_second"]
    lines = ["| pictures to `.tar` shards | pictures/s | to one process | before the first |", "|---|---:|---:|---:|"]
    for row in rows:
        name = f"`gansample {row['name']}`" if row["name"].startswith("--") else "`gansample`, one process, both cores"
        lines.append(
            f"| {name} | {row['per_second']:,.0f} | {row['per_second'] / base:.2f}× | {max(0.0, row['before']):.1f} s |"
        )
    gain = rows[2]["per_second"] / rows[1]["per_second"]
    lines += ["", f"The second worker brings {gain:.2f}×. {rows[0]['bytes_a_picture']:,} bytes a picture, with its metadata."]
    return "\n".join(lines)


def rendered(page: str) -> str:
    """docs/scale.md with its tables from the file."""
    from benchmarks.readme import replaced

    document = json.loads(RESULT.read_text())
    for name, table in (("serving", serving_table), ("bulk", bulk_table)):
        page = replaced(page, name, table(document))
    return page


def write_page() -> None:
    write_atomic(PAGE, rendered(PAGE.read_text()).encode())


if __name__ == "__main__":
    console.run(app, "scale")
