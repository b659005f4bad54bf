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
from gansample.system.atomic import folder_atomic
from gansample.system.replaceable import check_replaceable


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
    check_bundle_replaceable(folder, force=True)
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


def check_bundle_replaceable(folder: Path, *, force: bool) -> None:
    """Raise OutputError unless `folder` is free, or is a bundle and `force` allows to replace it."""
    check_replaceable(folder, kind="bundle", marker=MANIFEST, force=force)


def npz_bytes(**arrays: npt.NDArray[np.generic]) -> bytes:
    """Arrays as the bytes of an .npz file; the same arrays always give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)  # numpy stamps every member 1980-01-01
    return buffer.getvalue()
