"""A bundle's folder, written whole or not at all, with every digest in its sealed manifest."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.bundle import seal
from gansample.bundle.open import MANIFEST
from gansample.bundle.spec import Spec, Variant
from gansample.errors import OutputError
from gansample.system.atomic import folder_atomic


def write_bundle(
    folder: Path,
    spec: Spec,
    variants: Iterable[Variant],
    files: Mapping[str, bytes],
    left_out: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Write `files` (path inside the bundle -> bytes) and the manifest that vouches for them into `folder`.

    left_out  variants that did not enter: name, verdict (FAIL or NOT RUN) and reasons; for readers, never opened.

    A bundle that stood there is replaced. Raises OutputError where the folder holds anything else, or cannot be written.
    """
    check_replaceable(folder, force=True)
    manifest = {
        **spec.to_dict(),
        "variants": [variant.to_dict() for variant in variants],
        "left_out": [dict(entry) for entry in left_out],
        "files": {name: {"sha256": seal.digest(data), "bytes": len(data)} for name, data in sorted(files.items())},
        seal.KEY: seal.BLANK,
    }
    with folder_atomic(folder) as temp:
        for name, data in files.items():
            target = temp / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        document = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (temp / MANIFEST).write_bytes(seal.sealed(document.encode()))


def check_replaceable(folder: Path, *, force: bool) -> None:
    """Raise OutputError unless `folder` is free, or is a bundle and `force` allows to replace it.

    Anything that is not a bundle is never deleted, forced or not.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} is no folder", "choose another --out")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MANIFEST).is_file():
            raise OutputError(f"{folder} holds files that are no bundle", "choose another --out, nothing was touched")
        if not force:
            raise OutputError(f"{folder} holds a bundle already", "pass --force to replace it, or choose another --out")


def npz_bytes(**arrays: npt.NDArray[np.generic]) -> bytes:
    """Arrays as the bytes of an .npz file; the same arrays always give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)  # numpy stamps every member 1980-01-01
    return buffer.getvalue()
