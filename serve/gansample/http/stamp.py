"""Whether anything in a bundle changed on disk, without reading it."""

import os
from itertools import islice
from pathlib import Path

MAX_FILES = 10_000  # a bundle has twenty; links that lead in circles have no end

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""(name, inode, mtime and ctime in ns, size) of every file."""


def stamp_of(folder: Path) -> Stamp | None:
    """Of all that is in `folder`; None where nothing is. What vanishes meanwhile is left out."""
    # Links are followed: what Kubernetes mounts from a ConfigMap is links.
    files = (Path(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names)
    found = []
    for name in sorted(islice(files, MAX_FILES)):
        try:
            status = name.stat()
        except OSError:
            continue
        found.append((str(name), status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))
    return tuple(found) or None
