"""The adapters of docs/scale.md beside a single process, in one run: python -m benchmarks.scale

Serving: 16 clients, one picture a request, everything on the machine's own cores. Bulk: what one more picture takes, from two
jobs of different length, so that starting is not counted.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import documents, triton
from benchmarks.dcgan64 import export_dcgan64
from benchmarks.documents import Document
from benchmarks.machine import machine
from benchmarks.servers import PORT, Server, cells, gan_serve, take_turns
from gansample.bundle.open import open_bundle
from gansample.cli import console
from gansample.triton.repository import export_triton

RESULT = "scale-cpu.json"
FEW, MANY, SHARD = 4_000, 24_000, 1_000
WAYS = {  # of drawing very many
    "one process": [],
    "--ray --workers 1": ["--ray", "--workers", "1"],
    "--ray --workers 2": ["--ray", "--workers", "2"],
}

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def bench(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[float, typer.Option(min=1, help="Of load, each time.")] = 6,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
) -> None:
    """Requests a second and memory of each way of serving; pictures a second of each way of drawing very many."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_dcgan64(folder, None)
        servers, not_run = _servers(folder)
        document = {
            "rounds": rounds,
            "serving": take_turns(servers, rounds, seconds),
            "bulk": _bulk(folder, rounds),
            "not_run": not_run,
            "machine": machine(),
        }
    documents.save(RESULT, document)
    print(serving_table(document), bulk_table(document), sep="\n\n")


def _servers(folder: Path) -> tuple[list[Server], dict[str, str]]:
    """Every way of serving `folder`/bundle, and why another did not run."""
    bundle, ready = folder / "bundle", {"ours": "/readyz", "v2": "/v2/models/bundle/ready"}
    servers = []
    for kind, path in ready.items():
        for options in ([], ["--ray", "--replicas", "1"], ["--ray", "--replicas", "2"]):
            name = " ".join(["gan serve", *options])
            servers.append(Server(name, kind, gan_serve(bundle, *options), ready=(path, None), folder=folder))
    name = "Triton, python backend"
    if (reason := triton.not_runnable()) is not None:
        return servers, {name: reason}
    export_triton(open_bundle(bundle), folder / "triton")
    (folder / "server").mkdir()
    command, environment = triton.command(folder / "server", folder / "triton" / "seeds")
    command += ["--http-address=127.0.0.1", f"--http-port={PORT}", "--allow-grpc=false"]
    servers.append(Server(name, "v2", command, (ready["v2"], None), folder / "server", environment))
    return servers, {}


def _bulk(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Pictures a second of each way, and what it takes before the first: from a short and a long job, medians."""
    taken: dict[tuple[str, int], list[float]] = {}
    written = 0
    for _ in range(rounds):
        for name, options in WAYS.items():
            for n in (FEW, MANY):
                with tempfile.TemporaryDirectory(dir=folder) as out:
                    command = [sys.executable, "-m", "gansample", "--bundle", str(folder / "bundle"), "--n", str(n), *options]
                    command += ["--backend", "onnxruntime", "--shard", str(SHARD), "--quiet", f"{out}/p.tar"]
                    started = time.perf_counter()
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    taken.setdefault((name, n), []).append(time.perf_counter() - started)
                    written = sum(path.stat().st_size for path in Path(out).glob("*.tar")) // n
    rows = []
    for name in WAYS:
        few, many = (statistics.median(taken[name, n]) for n in (FEW, MANY))
        rate = (MANY - FEW) / (many - few)
        rows.append(
            {"name": name, "per_second": round(rate, 1), "before": round(few - FEW / rate, 1), "bytes_a_picture": written}
        )
    return rows


def serving_table(document: Document) -> str:
    kinds = {"ours": "PNG", "v2": "raw pixels, v2"}
    lines = [
        "| 16 clients, one picture a request | answer | requests/s | p50 | p99 | memory |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in document["serving"]:
        name = f"`{row['name']}`" if row["name"].startswith("gan") else row["name"]
        lines.append(f"| {name} | {kinds[row['kind']]} | {cells(row)}")
    lines += [f"| {name} | | NOT RUN: {reason} | | | |" for name, reason in document["not_run"].items()]
    where = f"DCGAN-64, float32, {document['machine']['processor']}; load generator on the same two cores, medians of"
    return "\n".join([*lines, "", f"{where} {document['rounds']}."])


def bulk_table(document: Document) -> str:
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


if __name__ == "__main__":
    console.run(app, "scale")
