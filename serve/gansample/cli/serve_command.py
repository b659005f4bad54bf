"""The command `gan serve` as Typer sees it. What it does: `serve.py`."""

from pathlib import Path
from typing import Annotated

import typer

Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")]


def serve(
    bundle: Annotated[
        list[Path] | None,
        typer.Argument(metavar="BUNDLE", help="Bundle folders or names (default: the newest under artifacts/, else fashion)."),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.", rich_help_panel="Who may ask, and where"),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 takes any free one.", rich_help_panel="Who may ask, and where")
    ] = 8000,
    backend: Annotated[
        str,
        typer.Option(
            help="auto, onnxruntime, openvino, cuda, tensorrt, tensorrt-rtx, webgpu.", rich_help_panel="On which engine"
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="exact or fast, as for gansample.", rich_help_panel="On which engine")
    ] = "exact",
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processor threads (default: all cores).", rich_help_panel="On which engine"),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="Ask for the token in this file (or in GAN_SERVE_TOKEN) with every request.",
            rich_help_panel="Who may ask, and where",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Let pages of this origin call it from a browser (may be repeated; * is all).",
            rich_help_panel="Who may ask, and where",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PREFIX",
            help="The path under which a proxy shows the service, like /gan.",
            rich_help_panel="Who may ask, and where",
        ),
    ] = "",
    max_waiting: Annotated[int, typer.Option(min=1, help="Pictures in the queue before 429.", rich_help_panel="Limits")] = 2048,
    max_pictures: Annotated[int, typer.Option(min=1, help="Pictures in one request.", rich_help_panel="Limits")] = 256,
    max_memory: Annotated[
        int,
        typer.Option(
            min=1, metavar="MIB", help="Memory for pictures on their way, all requests together.", rich_help_panel="Limits"
        ),
    ] = 256,
    per_client: Annotated[
        int, typer.Option(min=1, help="Requests of one address at the same time.", rich_help_panel="Limits")
    ] = 64,
    deadline: Annotated[
        float, typer.Option(min=0.1, help="Seconds for a request before 504.", rich_help_panel="Limits")
    ] = 30.0,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="Draw on the Ray cluster of RAY_ADDRESS, or on one of this machine.",
            rich_help_panel="On which engine",
        ),
    ] = False,
    replicas: Annotated[
        str, typer.Option(metavar="MIN[-MAX]", help="With --ray: engines for each bundle.", rich_help_panel="On which engine")
    ] = "1-4",
    debug: Debug = False,
) -> None:
    """Answer HTTP requests for pictures: curl http://127.0.0.1:8000/v1/images/42.png -o 42.png

    Documentation is at /docs. Ctrl-C or SIGTERM answers what was accepted and ends.
    """
    from gansample.cli.serve import parse_replicas, read_token, run_service
    from gansample.http.browser import check_origin, check_root_path
    from gansample.http.settings import Settings
    from gansample.sampling.options import EngineOptions

    settings = Settings(
        engine=EngineOptions(backend=backend, precision=precision, threads=threads),
        token=read_token(token_file),
        allow_origins=tuple(check_origin(origin) for origin in allow_origin or ()),
        root_path=check_root_path(root_path),
        max_waiting=max_waiting,
        max_pictures=max_pictures,
        max_memory=max_memory << 20,
        per_client=per_client,
        deadline=deadline,
    )
    run_service(bundle or [], settings, host=host, port=port, replicas=parse_replicas(replicas) if ray else None)
