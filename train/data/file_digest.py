"""Digests of whole files, a piece at a time."""

import hashlib
from pathlib import Path

from gansample.errors import ArtefactError


def file_sha256(path: Path) -> str:
    """64 hexadecimal digits. Raises ArtefactError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "pass a file you may read") from None
