"""`gan serve`, once its options are parsed."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gansample.bundle.open import Bundle, open_bundle
from gansample.cli.log import log_to_stderr
from gansample.errors import BackendUnavailable, UsageError
from gansample.system.numbers import whole_number
from gansample.system.token_file import read_token_file

if TYPE_CHECKING:
    from gansample.http.models import ModelLoader
    from gansample.http.settings import Settings

TOKEN = "GAN_SERVE_TOKEN"


def run_service(bundles: Sequence[Path], settings: "Settings", *, host: str, port: int, replicas: range | None = None) -> None:
    """Open and verify the bundles, listen, and serve until a signal ends it.

    replicas  how many engines Ray may run for each bundle; None draws in this process.
    """
    try:
        from gansample.http.app import create_app
        from gansample.http.models import Models, load_in_process
        from gansample.http.server import listen, serve
    except ModuleNotFoundError as error:
        raise BackendUnavailable(f"{error.name} is not installed", "pip install 'gansample[serve]'") from None
    log_to_stderr("serve")
    listener = listen(host, port)  # before anything slow, so that a taken port is reported at once
    named = _named([open_bundle(path) for path in bundles] or [open_bundle()])
    load = load_in_process if replicas is None else _on_cluster(replicas, len(named) * (settings.engine.threads or 1))
    models = Models(named, settings, load)
    app = create_app(models, settings)
    names = ", ".join(model.name for model in models)
    address = f"http://{_shown(host)}:{listener.getsockname()[1]}"
    message = f"serving {names} at {address}, documentation at {settings.root_path}/docs (Ctrl-C ends it)"
    print(message, file=sys.stderr, flush=True)
    serve(app, listener, settings)


def read_token(file: Path | None) -> str | None:
    """The token that requests must send: from `file`, else from GAN_SERVE_TOKEN, else none."""
    return read_token_file(file, "the token") if file is not None else os.environ.get(TOKEN) or None


def parse_replicas(text: str) -> range:
    """`2` or `1-8` as a range from the minimum to the maximum. Raises UsageError."""
    least, _, most = text.partition("-")
    start, last = whole_number(least), whole_number(most or least)
    found = range(start, last + 1) if start is not None and last is not None else range(0)
    if not found or found.start < 1:
        raise UsageError(f"--replicas {text} is not a number of engines", "pass 2, or 1-8 to scale with the load")
    return found


def _on_cluster(replicas: range, threads: int) -> "ModelLoader":
    """threads: of one engine of each bundle."""
    from gansample.ray.connect import connect

    # A cluster of this machine alone has room for the minimum of replicas, and as many again while a newer export starts
    # beside the older one: the processor shares its time, where Ray would wait forever.
    ray = connect(cpus=max(os.cpu_count() or 1, 2 * replicas.start * threads))
    from gansample.ray.serving import Cluster

    return Cluster(ray, replicas).load


def _named(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    named: dict[str, Bundle] = {}
    for bundle in bundles:
        if (other := named.get(bundle.path.name)) is not None:
            raise UsageError(f"{other.path} and {bundle.path} have the same name", "serve one of them, or rename a folder")
        named[bundle.path.name] = bundle
    return named


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
