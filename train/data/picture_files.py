"""A folder, tar or zip of pictures as a source: decoded, counted, and refused where too much of it is bad."""

import re
from dataclasses import replace
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.class_labels import label
from train.data.container import Container
from train.data.dataset import Skipped
from train.data.decode import KINDS, decode_files
from train.data.fit import FULL_16_BITS, Frame, with_channels
from train.data.folder import Folder
from train.data.request import DataRequest
from train.data.source import Collection, ProgressCallback, file_sha256
from train.data.tar_archive import TarArchive, is_tar
from train.data.zip_archive import ZipArchive, is_zip

MOST_BAD = 0.05  # of the pictures; more says that the source is not what it seems, and skipping would hide that
DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras, microscopes and scanners have, in files of 16
DARK = 64  # of 255
UNREAD = frozenset(
    {
        ".jp2",
        ".j2k",
        ".jpx",
        ".jxl",
        ".avif",
        ".heic",
        ".heif",
        ".svg",
        ".psd",
        ".tga",
        ".exr",
        ".hdr",
        ".dng",
        ".ppm",
        ".pgm",
        ".dcm",
    }
)  # pictures whose parsers do not run here

_SHOWN = 3


class PictureFiles:
    """See `Source`. Raises ArtefactError where `path` holds no pictures."""

    def __init__(self, path: Path, labels_file: Path | None) -> None:
        name = path.resolve().name
        self.name = re.sub(r"(\.tar)?\.\w+$", "", name) if path.is_file() else name
        self.path, self.labels_file = path, labels_file
        self._container = open_container(path)

    def content(self) -> str:
        labels = [file_sha256(self.labels_file)] if self.labels_file else []
        return "".join([self._container.content(), *labels])

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        names = self._container.names()
        if not names:
            raise _no_pictures(self.path, self._container.ignored)
        frame, peaks = Frame.from_request(request), list[int]()
        images, kept, reasons = decode_files(self._container.files(), names, frame, report, peaks)
        bits = next(bits for bits in DEPTHS if max(peaks, default=FULL_16_BITS) < 2**bits)
        if bits < DEPTHS[-1]:  # known only now that all are read, so they are read again
            frame = replace(frame, white=2**bits - 1)
            images, kept, reasons = decode_files(self._container.files(), names, frame, report)
        skipped = tuple(Skipped(name=name, reason=reasons[name]) for name in sorted(reasons))
        _refuse_if_bad(self.path, skipped, len(names))
        ignored = self._container.ignored
        notes = [f"{len(ignored):,} other files are no pictures and are ignored"] if ignored else []
        if unread := [name for name in ignored if Path(name).suffix.lower() in UNREAD]:
            others = f"{len(unread):,} of them pictures that are no {KINDS} ({_kinds(unread)})"
            notes[0] = f"{len(ignored):,} other files are ignored, {others}"
        if bits < DEPTHS[-1]:
            notes.append(
                f"{len(peaks):,} pictures of 16 bits use {bits} of them, up to {max(peaks):,}: {frame.white:,} counts as white"
            )
        if len(images) and (brightest := int(images.max())) < DARK:
            notes.append(f"the brightest value of all pictures is {brightest} of 255: they are nearly black")
        if skipped:
            are, shown = ("is", "") if len(skipped) == 1 else ("are", ", …")
            notes.append(
                f"{len(skipped):,} of {len(names):,} pictures {are} skipped: {skipped[0].name}: {skipped[0].reason}{shown}"
            )
        collection = Collection(images=with_channels(images, request), skipped=skipped, notes=tuple(notes))
        return label(collection, kept, request)


def open_container(path: Path) -> Container:
    """Raises ArtefactError where `path` holds no files of its own."""
    if path.is_dir():
        return Folder(path)
    name = path.name.lower()
    if is_tar(path) or re.search(r"\.(tar|tgz|tar\.\w+)$", name):  # first: a tar that ends in a zip looks like one to zipfile
        return TarArchive(path)
    if is_zip(path) or name.endswith(".zip"):
        return ZipArchive(path)
    raise ArtefactError(f"{path} is no folder, .tar, .zip, .npz or IDX file", "pass one of these, or the name of a set")


def _refuse_if_bad(path: Path, skipped: tuple[Skipped, ...], count: int) -> None:
    if len(skipped) <= MOST_BAD * count:
        return
    shown = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:_SHOWN])
    more = f"; and {len(skipped) - _SHOWN:,} more" if len(skipped) > _SHOWN else ""
    which = f"none of the {count:,} pictures in {path} is usable" if len(skipped) == count else (
        f"{len(skipped):,} of the {count:,} pictures in {path} are unusable, more than {MOST_BAD:.0%}"
    )  # fmt: skip
    raise ArtefactError(f"{which} ({shown}{more})", "repair or remove them, then start again")


def _no_pictures(path: Path, ignored: list[str]) -> ArtefactError:
    if archives := [name for name in ignored if Path(name).suffix in (".tar", ".zip")]:
        return ArtefactError(f"no pictures in {path}, but {archives[0]}", f"pass {path / archives[0]}")
    found = f" (only {_kinds(ignored)})" if ignored else ""
    return ArtefactError(f"no pictures in {path}{found}", f"it must hold {KINDS} files")


def _kinds(names: list[str]) -> str:
    suffixes = sorted({Path(name).suffix.lower() or "no suffix" for name in names})
    return ", ".join(suffixes[:5]) + (", …" if len(suffixes) > 5 else "")
