"""The forms of output, and which one a name means. Standard library only."""

from pathlib import Path

from gansample.errors import OutputError, UsageError, suggest

STDOUT = Path("-")
GRIDS, VIDEOS, RESUMABLE = ("png", "webp", "jpg"), ("mp4", "webm", "gif"), ("folder", "tar")
FORMS = (*GRIDS, "folder", "npz", "npy", "tar", "zip", *VIDEOS, "rgb24")
CLUSTER_FORMS = ("tar", "parquet")  # what the workers of a Ray cluster write
ON_STDOUT = (*GRIDS, "npy", "tar", "gif", "rgb24")  # the others must seek, or are several files
_SUFFIXES = {".jpeg": "jpg", ".rgb": "rgb24", **{f".{form}": form for form in FORMS if form not in ("folder", "rgb24")}}


def format_ending(form: str) -> str:
    """How the name of this form of output ends, for people."""
    return form if form == "folder" else f".{form}"


def form_of(out: str | None, asked: str | None, *, on_cluster: bool = False) -> str:
    """The form of output: what was asked for, else what the name ends with. Raises UsageError."""
    if on_cluster:
        return _cluster_form(out, asked)
    example = "for example out.png, pictures/ or - for stdout"
    if out == "":  # to Path that is the working directory, and in a shell a variable that is not set
        raise UsageError("the name of the output is empty", example)
    if asked is not None:
        if asked not in FORMS:
            raise UsageError(f"unknown --format {asked!r}", suggest(asked, FORMS))
        return asked
    if out is None:
        raise UsageError("say where the pictures go", example)
    path = Path(out)
    if path == STDOUT:
        return "png"
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix == ".parquet":
        raise UsageError(f"{out} is written by a Ray cluster only", "add --ray, or write a .tar")
    if suffix and not path.is_dir():
        known = ", ".join(f".{form}" for form in FORMS if form not in ("folder", "rgb24"))
        raise UsageError(f"{out} ends in {suffix}", f"it can be {known}, or a folder (a name without a dot)")
    return "folder"


def _cluster_form(out: str | None, asked: str | None) -> str:
    if not out:
        raise UsageError("say where the shards go", "for example pictures.tar or s3://bucket/pictures.parquet")
    form = asked or out.rpartition(".")[2].lower()
    if form not in CLUSTER_FORMS:
        raise UsageError(f"{out} is no .tar and no .parquet", "--ray writes shards of those: name one, or leave --ray out")
    return form


def check_path(out: str, form: str, *, replaceable: bool) -> None:
    """Refuse what cannot be written before anything is loaded, so that a mistake costs no time.

    replaceable  whether a file that exists may be replaced or completed.

    Raises UsageError, or OutputError where what stands at `out` is in the way.
    """
    try:
        _check_path(Path(out), form, replaceable)
    except OSError as error:
        from gansample.system.atomic import cannot_write

        raise cannot_write(Path(out), error) from None


def _check_path(path: Path, form: str, replaceable: bool) -> None:
    if path == STDOUT:
        if form not in ON_STDOUT:
            raise UsageError(f"{form} cannot go to stdout", f"name a file, or choose {', '.join(ON_STDOUT)}")
        return
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path.parent} does not exist", f"create it first: mkdir -p {path.parent}")
    if form == "folder":
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is no folder", "name another one")
    elif path.is_dir():
        raise OutputError(f"{path} is a folder", f"name a file that ends in .{form}")
    elif path.exists() and not replaceable:
        raise OutputError(f"{path} exists", "pass --force to replace it")
