"""A run for TensorBoard: the rows of log.jsonl as curves and the previews as pictures, in RUN/tensorboard.

    tensorboard --logdir runs

The horizontal axis is images seen, as everywhere; TensorBoard calls it a step.
"""

import io
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gansample.errors import BackendUnavailable

FOLDER = "tensorboard"
_NOT_CURVES = ("event", "step", "images_seen", "images", "time")


def check_installed() -> None:
    """Raises BackendUnavailable where the package is missing: `make train` does not install it."""
    if find_spec("tensorboard") is None:
        raise BackendUnavailable(
            "tensorboard is not installed", f"{sys.executable} -m pip install -c requirements.lock tensorboard"
        )


class TensorBoard:
    """Writes the events of one run.

    real        the floor's scores: each is drawn beside the generated pictures' own.
    resumed_at  images seen by the checkpoint that a resumed run continues from. What an interrupted run wrote after it is
                removed, so that no curve has two values at one place.
    """

    def __init__(self, run: Path, real: Mapping[str, Any], resumed_at: int | None = None) -> None:
        check_installed()
        from torch.utils.tensorboard.writer import SummaryWriter  # late: importing it takes a second

        purge = resumed_at + 1 if resumed_at is not None else None
        self._writer: Any = SummaryWriter(str(run / FOLDER), purge_step=purge)
        self._real = real

    def row(self, row: Mapping[str, Any]) -> None:
        """One row of log.jsonl: losses, scores, or a warning."""
        seen, event = row["images_seen"], row["event"]
        if event == "warning":
            self._writer.add_text("warnings", f"{row['kind']}: {row['message']}", seen)
        for name, value in row.items():
            if name in _NOT_CURVES or isinstance(value, str | bool | None):
                continue
            if isinstance(value, list):
                for index, share in enumerate(value):
                    self._writer.add_scalar(f"{event}/{name}/{index}", share, seen)
                continue
            self._writer.add_scalar(f"{event}/{name}", value, seen)
            if event == "scores" and isinstance(floor := self._real.get(name), int | float):
                self._writer.add_scalar(f"real/{name}", floor, seen)
        if event != "losses":
            self._writer.flush()

    def preview(self, png: bytes, images_seen: int) -> None:
        """A grid of samples, as it stands in previews/."""
        from PIL import Image

        with Image.open(io.BytesIO(png)) as sheet:
            pixels = np.asarray(sheet.convert("RGB"))
        self._writer.add_image("samples", pixels, images_seen, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()
