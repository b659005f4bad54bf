"""Which class a picture belongs to: the folder it lies in, or the row of a CSV file that names it."""

import codecs
import csv
import io
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gansample.errors import ArtefactError, UsageError
from train.data.dataset import Labels
from train.data.decode import SUFFIXES
from train.data.request import DataRequest
from train.data.source import Collection

_NAME_COLUMNS = ("image", "filename", "file_name", "file", "path", "name", "picture", "id")
_LABEL_COLUMNS = ("label", "class", "category", "labels", "class_name", "target")


def label(collection: Collection, names: list[str], request: DataRequest) -> Collection:
    """The pictures called `names` with the classes that their folders or the labels file give them.

    Where classes are required, pictures without one are left out with a note; elsewhere one such picture means that the
    source has no classes. Raises ArtefactError for a labels file that cannot be used.
    """
    wanted = request.conditional or request.classes is not None
    file = request.labels_file
    found = _from_folders(names) if file is None else _from_csv(file, names)
    without = found.count(None)
    notes = list(collection.notes)
    if without == len(names) or (without and not wanted):
        if file is not None:
            notes.append(f"{without:,} of {len(names):,} pictures have no label: all are used, and the classes are not")
        return replace(collection, notes=tuple(notes))
    if without:
        notes.append(f"{without:,} of {len(names):,} pictures have no class and are left out")
    keep = np.array([one is not None for one in found])
    labels, class_names = encode_labels([one for one in found if one is not None])
    return replace(collection.only(keep), labels=labels, class_names=class_names, notes=tuple(notes))


def keep_classes(collection: Collection, request: DataRequest) -> Collection:
    """The pictures of the classes that `request` names, in its order; one class alone is none.

    Raises UsageError for a class that is not there, and for fewer than two where classes are required.
    """
    names = collection.class_names or ()
    if request.classes is not None:
        kept = tuple(map(_nfc, request.classes))
        for name in kept:
            if name not in names:
                raise UsageError(f"no class {name!r}", f"there {_listed(names)}")
        assert collection.labels is not None
        places = np.full(len(names), -1, np.int64)
        places[[names.index(name) for name in kept]] = np.arange(len(kept))
        labels = places[collection.labels]
        keep = labels >= 0
        collection = replace(collection, labels=labels, class_names=kept).only(keep)
        names = kept
    if len(names) >= 2:
        return collection
    if request.conditional:
        raise UsageError(
            f"classes are required and there {_listed(names)}",
            "put the pictures into one sub-folder for each class, or name a CSV file of labels",
        )
    return replace(collection, labels=None, class_names=None)


def encode_labels(values: list[Any]) -> tuple[Labels, tuple[str, ...]]:
    """Labels (N,) and class names for one value, number or text, per picture."""
    texts = [_nfc(str(value)) for value in values]
    names = _in_order(set(texts))
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[text] for text in texts], np.int64), names


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Sorted, by value where every name is a number."""
    return tuple(sorted(names, key=int if all(name.isascii() and name.isdecimal() for name in names) else None))


def _listed(names: tuple[str, ...]) -> str:
    if not names:
        return "are none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{'is only' if len(names) == 1 else 'are'} {', '.join(names[:20])}{more}"


def _from_folders(names: list[str]) -> list[str | None]:
    """The first folder in which the names differ; None for pictures beside those folders, or where there is only one."""
    folders = [PurePosixPath(name).parent.parts for name in names]
    shared = 0  # a folder around everything, as archives often have, is no class
    while all(len(parts) > shared and parts[: shared + 1] == folders[0][: shared + 1] for parts in folders):
        shared += 1
    found = [parts[shared] if len(parts) > shared else None for parts in folders]
    return found if found.count(None) < len(found) else [None] * len(found)


def _from_csv(path: Path, names: list[str]) -> list[str | None]:
    """The label that `path` gives each name, with or without folder and suffix."""
    rows = _read_rows(path)
    stems = Counter(_nfc(PurePosixPath(name).stem) for name in names)
    found: list[str | None] = []
    for name in names:
        stem = _nfc(PurePosixPath(name).stem)
        one = rows.get(_without_suffix(name))
        if one is None and stem in rows:
            if stems[stem] > 1:
                raise ArtefactError(
                    f"{path} names {stem!r}, and {stems[stem]} pictures are called that",
                    "write the folder in front of it",
                )
            one = rows[stem]
        found.append(one)
    if names and rows and found.count(None) == len(found):
        raise ArtefactError(
            f"no row of {path} names a picture: it has {next(iter(rows))!r}, the pictures are like {names[0]!r}",
            "pass the labels file of these pictures",
        )
    return found


def _read_rows(path: Path) -> dict[str, str]:
    """Label by picture name without suffix. Empty labels are none."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "pass a CSV file with a row for each picture") from None
    except UnicodeDecodeError:  # another encoding would be a guess, and a wrong one changes the names without a word
        raise ArtefactError(f"{path} is not UTF-8 text", "save it as CSV UTF-8, in Excel a type of its own") from None
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        return _labels_by_name(reader, path)
    except csv.Error as error:
        raise ArtefactError(f"{path}:{reader.line_num} is no CSV ({error})", "repair that line") from None


def _labels_by_name(reader: "csv.DictReader[str]", path: Path) -> dict[str, str]:
    columns = [(column or "").strip() for column in reader.fieldnames or ()]
    reader.fieldnames = columns
    name_column, label_column = _column(columns, _NAME_COLUMNS), _column(columns, _LABEL_COLUMNS)
    if name_column is None or label_column is None:
        raise ArtefactError(
            f"{path} has the columns {', '.join(columns) or 'of an empty file'}",
            "its first line must name a column 'image' and a column 'label'",
        )
    rows: dict[str, str] = {}
    for row in reader:
        name, given = (row[name_column] or "").strip(), " ".join((row[label_column] or "").split())  # a class is one line
        if not name or not given:
            continue
        before = rows.setdefault(_without_suffix(name), given)
        if before != given:
            raise ArtefactError(
                f"{path}:{reader.line_num} calls {name!r} {given!r}, and a row above {before!r}", "a picture has one label"
            )
    return rows


def _column(columns: list[str], known: tuple[str, ...]) -> str | None:
    return next((column for name in known for column in columns if column.lower() == name), None)


def _without_suffix(name: str) -> str:
    path = PurePosixPath(_nfc(name).replace("\\", "/"))
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else str(path)


def _nfc(name: str) -> str:
    """One encoding for names that look alike: macOS hands out `é` as e and an accent, a CSV file has it in one piece."""
    return unicodedata.normalize("NFC", name)
