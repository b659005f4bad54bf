"""The static page, served as any host would, and what it shows."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gansample.bundle import seal
from tests.support.local_server import serve


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """The address of a server of static files."""
    with serve(partial(Quiet, directory=str(folder))) as address:
        yield address


def shown(page: Any, index: int) -> np.ndarray:
    """A canvas of the page, uint8 (H, W, 4)."""
    address = page.eval_on_selector_all(".print canvas", f"all => all[{index}].toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        return np.asarray(image)


def change_about(folder: Path, **changes: Any) -> None:
    """Change what the page knows of the generator in `folder`, under a seal that holds."""
    path = folder / "about.json"
    about = {**json.loads(path.read_bytes()), **changes, seal.KEY: seal.BLANK}
    path.write_bytes(seal.sealed(json.dumps(about).encode()))
