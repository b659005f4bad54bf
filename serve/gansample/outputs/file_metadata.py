"""The metadata of any file or folder that gansample wrote: of one picture (`metadata.py`), or of the job behind many."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gansample.errors import ArtefactError, BackendUnavailable, UsageError
from gansample.outputs.forms import GRIDS, VIDEOS, form_of
from gansample.outputs.metadata import read_metadata
from gansample.system.npz import read_array

MAX_TEXT = 1 << 24  # bytes of metadata: a job's options, never its pictures
SINGLE = re.compile(r"(seed|frame|around|latent)\d{7}|mix")
MISSING = "it was drawn by something else, with --no-metadata, or was re-saved"


def is_drawing(path: Path) -> bool:
    """Whether the name is one that gansample draws into; a folder is, where it holds a job's journal or pictures."""
    if path.is_dir():
        return next(_journals(path), None) is not None or _single_pictures(path)
    try:
        return form_of(path.name, None) != "folder"
    except UsageError:
        return path.suffix.lower() == ".parquet"


def read_drawing(path: Path) -> dict[str, Any]:
    """The metadata of what gansample drew into `path`, a file of any form or a folder.

    Raises ArtefactError where there is none, or the file is not what its name says; BackendUnavailable where a video needs
    a decoder that is not installed.
    """
    if not path.exists():
        raise ArtefactError(f"{path} is missing")
    if not path.is_dir() and not path.is_file():  # a pipe would never end
        raise ArtefactError(f"{path} is no regular file", "pass a picture, a video, an archive or a folder")
    form = "folder" if path.is_dir() else path.suffix.lower().removeprefix(".")
    form = {"jpeg": "jpg"}.get(form, form)
    if form in (*GRIDS, "gif"):
        return read_metadata(path)
    if form not in _READERS:
        raise ArtefactError(f"a .{form} has no room for metadata", "only the command that drew it knows its seeds")
    try:
        text = _READERS[form](path)
        metadata = json.loads(text) if text else None
    except ArtefactError:
        raise
    except Exception as error:  # damage surfaces as any of many classes, those of av, zipfile, zlib and tarfile among them
        raise ArtefactError(f"{path} cannot be read as a {form} of gansample ({error})", "copy it again") from None
    if not isinstance(metadata, dict):
        raise ArtefactError(f"{path} has no metadata of gansample", MISSING)
    return metadata


def _from_video(path: Path) -> str:
    try:
        import av
    except ImportError:
        raise BackendUnavailable(f"no decoder for {path.suffix} is installed", "pip install 'gansample[video]'") from None
    with av.open(str(path)) as container:  # its errors are OSErrors and ValueErrors
        tags = {name.lower(): text for name, text in container.metadata.items()}  # COMMENT in a .webm
    return str(tags.get("comment", ""))


def _from_tar(path: Path) -> str:
    import tarfile

    try:
        with tarfile.open(path, "r:") as archive:
            return archive.pax_headers.get("comment", "")
    except tarfile.TarError as error:
        raise ValueError(error) from None


def _from_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.comment.decode()


def _from_npz(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        if "metadata.npy" not in archive.namelist():
            return ""
        member = archive.getinfo("metadata.npy")
        if member.file_size > MAX_TEXT:
            raise ValueError("its metadata is too long")
        return str(read_array(archive.open(member), member.file_size))


def _from_folder(path: Path) -> str:
    """The newest job that wrote here, else the first picture."""
    journals = sorted(_journals(path), key=lambda journal: journal.stat().st_mtime_ns)
    if journals:
        return journals[-1].read_text(encoding="utf-8")
    return json.dumps(read_metadata(min(each for each in path.glob("*.png") if SINGLE.match(each.name))))


def _single_pictures(path: Path) -> bool:
    """Whether a folder without a journal, a copy perhaps, holds single pictures as gansample names them."""
    return any(SINGLE.match(each.name) for each in path.glob("*.png"))


def _journals(path: Path) -> Iterator[Path]:
    return path.glob(".gansample-*.json")


_READERS: Mapping[str, Callable[[Path], str]] = {
    **dict.fromkeys((form for form in VIDEOS if form != "gif"), _from_video),
    "tar": _from_tar,
    "zip": _from_zip,
    "npz": _from_npz,
    "folder": _from_folder,
}
