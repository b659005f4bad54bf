"""`gan serve`, once its words are understood."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gansample.bundle import Bundle, open_bundle
from gansample.errors import BackendUnavailable, UsageError
from gansample.secret import read_secret

TOKEN = "GAN_SERVE_TOKEN"


def run_service(bundles: Sequence[Path], host: str, port: int, token_file: Path | None, **wishes: Any) -> None:
    """Open the bundles, prove them, listen, and answer until told to leave."""
    try:
        from gansample.http.app import create_app
        from gansample.http.models import Models
        from gansample.http.server import listen, serve
        from gansample.http.settings import Settings
    except ModuleNotFoundError as error:
        raise BackendUnavailable(f"{error.name} is not installed", "pip install 'gansample[serve]'") from None
    token = read_secret(token_file, "the token") if token_file is not None else os.environ.get(TOKEN) or None
    settings = Settings(token=token, **wishes)
    listener = listen(host, port)  # before anything slow, so that a taken port is told at once
    models = Models(_named([open_bundle(path) for path in bundles] or [open_bundle()]), settings)
    app = create_app(models, settings)
    names = ", ".join(model.name for model in models)
    say = f"serving {names} at http://{_shown(host)}:{listener.getsockname()[1]}, documentation at /docs (Ctrl-C ends it)"
    print(say, file=sys.stderr, flush=True)
    serve(app, listener, settings)


def _named(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    named: dict[str, Bundle] = {}
    for bundle in bundles:
        if (other := named.get(bundle.path.name)) is not None:
            raise UsageError(f"{other.path} and {bundle.path} have the same name", "serve one of them, or rename a folder")
        named[bundle.path.name] = bundle
    return named


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
