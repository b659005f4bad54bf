"""Digests of whole files, a piece at a time."""

import hashlib
from pathlib import Path
from typing import Any

from gansample.errors import ArtefactError


def file_sha256(path: Path) -> str:
    """64 hexadecimal digits. Raises ArtefactError where the file cannot be read."""
    return _digest(path, "sha256")


def file_md5(path: Path) -> str:
    """Only for sets whose authors publish nothing better. Raises as above."""
    return _digest(path, lambda: hashlib.md5(usedforsecurity=False))


def _digest(path: Path, kind: Any) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, kind).hexdigest()
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "pass a file you may read") from None
