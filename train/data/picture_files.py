"""A folder, tar or zip of pictures as a source: decoded, counted, and refused where too much of it is bad."""

import re
from pathlib import Path

from gansample.errors import ArtefactError
from train.data.class_labels import label
from train.data.container import Container
from train.data.dataset import Skipped
from train.data.decode import decode_files
from train.data.fit import Frame, with_channels
from train.data.folder import Folder
from train.data.request import DataRequest
from train.data.source import Collection, ProgressCallback, file_sha256
from train.data.tar_archive import TarArchive, is_tar
from train.data.zip_archive import ZipArchive, is_zip

MOST_BAD = 0.05  # of the pictures; more says that the source is not what it seems, and skipping would hide that

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
        images, kept, reasons = decode_files(self._container.files(), names, Frame.from_request(request), report)
        skipped = tuple(Skipped(name=name, reason=reasons[name]) for name in sorted(reasons))
        _refuse_if_bad(self.path, skipped, len(names))
        ignored = len(self._container.ignored)
        notes = [f"{ignored:,} other files are no pictures and are ignored"] if ignored else []
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
    suffixes = sorted({Path(name).suffix.lower() or "no suffix" for name in ignored})
    if archives := [name for name in ignored if Path(name).suffix in (".tar", ".zip")]:
        return ArtefactError(f"no pictures in {path}, but {archives[0]}", f"pass {path / archives[0]}")
    found = f" (only {', '.join(suffixes[:5])})" if ignored else ""
    return ArtefactError(f"no pictures in {path}{found}", "it must hold PNG, JPEG, WebP, BMP or GIF files")
