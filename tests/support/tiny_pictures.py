"""Pictures small enough for a test, as files in folders and archives."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Files = Mapping[str, bytes]


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(seed: int, width: int = 16, height: int = 16, mode: str = "RGB") -> Image.Image:
    values = np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def some_files(count: int = 20, folders: tuple[str, ...] = ("cat", "dog"), **options: Any) -> dict[str, bytes]:
    """`count` pictures by name, dealt out to `folders`."""
    return {f"{folders[n % len(folders)]}/{n:03}.png": encoded(noise(n, **options)) for n in range(count)}


def write_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_tar(path: Path, files: Files, mode: Any = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_idx(path: Path, values: np.ndarray[Any, Any]) -> Path:
    """uint8 values of any dimensions; gzipped where the name says so."""
    data = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
