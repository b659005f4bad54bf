"""Drawn pictures until they are fetched: one folder per draw in a private place, the oldest deleted first."""

import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gansample.system.atomic import folder_atomic

QUOTA_BYTES = 256 << 20  # all visitors together; a draw of 64 pictures is 40 kB (digits) to some MB


class ImageStore:
    """PNG files under `folder`, never more than `quota_bytes` of them."""

    def __init__(self, folder: Path, quota_bytes: int = QUOTA_BYTES) -> None:
        self.folder, self.quota_bytes = folder.resolve(), quota_bytes
        self._draws: deque[tuple[Path, int]] = deque()
        self._drawn = 0
        self._lock = threading.Lock()

    def keep(self, files: Mapping[str, bytes]) -> list[Path]:
        """Write the files of one draw under their names and return their paths. Raises OutputError."""
        with self._lock:
            self._drawn += 1
            folder = self.folder / f"draw{self._drawn}"
            self._make_room(size := sum(map(len, files.values())))
            with folder_atomic(folder) as fresh:
                for name, data in files.items():
                    (fresh / name).write_bytes(data)
            self._draws.append((folder, size))
        return [folder / name for name in files]

    def _make_room(self, size: int) -> None:
        while self._draws and sum(kept for _, kept in self._draws) + size > self.quota_bytes:
            shutil.rmtree(self._draws.popleft()[0], ignore_errors=True)


@contextmanager
def private_image_store() -> Iterator[ImageStore]:
    """A store that only this user can read, deleted at the end of the block.

    Gradio reads GRADIO_TEMP_DIR when its components are made, so the page must be built inside the block: what lies there
    is then served as it is, and everything else Gradio may write lands there too.
    """
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="gan-demo-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder).resolve())
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        try:
            yield ImageStore(pictures)
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before
