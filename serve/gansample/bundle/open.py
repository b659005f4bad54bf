"""A model bundle on disk: found, digest-checked, and only then parsed.

    artifacts/digits/
    ├── bundle.json       spec, variants with their parity receipts, size and digest of every other file
    ├── generator.onnx    the reference graph; carries the same spec, so it also works alone
    ├── mapping.onnx      latents to styles, where the reference graph draws from those (`style_mapping`)
    ├── golden.npz        seeds and the pictures that PyTorch float64 draws for them
    └── variants/ …       what a given runtime runs faster

Loading is size → digest → parse, on the same bytes that were hashed: a flipped bit loads without complaint everywhere else.
"""

import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gansample.bundle.fields import FieldReader, parse_json
from gansample.bundle.receipts import check_left_out, check_name
from gansample.bundle.seal import digest, seal_holds
from gansample.bundle.spec import Spec, Variant
from gansample.bundle.style_mapping import MAPPING
from gansample.errors import ArtefactError, suggest
from gansample.system.newest import folders_newest_first

MANIFEST = "bundle.json"
REFERENCE = "generator.onnx"
GOLDENS = "golden.npz"
ARTIFACTS = Path("artifacts")  # where `make export` puts bundles, relative to the working directory
MODELS = Path("models")  # where trained bundles lie in a clone of the repository
EMBEDDED = Path(__file__).parents[1] / "bundles"  # what comes with the package, so that it draws as soon as it is installed
DEFAULT = "fashion"

PLACES = (ARTIFACTS, MODELS, EMBEDDED)  # where a name is looked for, in this order
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pkl")  # what `python -m export` takes, and nobody draws from
MAX_FILE_BYTES = 1 << 30  # a generator of 250 M float32 parameters; anything larger is a mistake or an attack


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A checked manifest and where it lies. `path` is the folder, or the single .onnx file."""

    path: Path
    spec: Spec
    variants: tuple[Variant, ...]
    files: Mapping[str, FileEntry]

    def __repr__(self) -> str:
        """Short: all of it is thousands of characters."""
        variants = ", ".join(variant.name for variant in self.variants)
        return f"<Bundle {self.spec.name} at {self.path}: {variants}>"

    @property
    def reference(self) -> str:
        """What drew the goldens, and the pictures that the variants were compared with."""
        return self.variants[0].reference if self.variants else "not recorded"

    @property
    def sha256(self) -> str:
        """The model's identity: the digest of its reference graph, which holds that of its mapping."""
        return self.files[REFERENCE].sha256

    def read(self, name: str) -> bytes:
        """The bytes of one listed file, after size and digest were found right. Raises ArtefactError otherwise."""
        entry = self.files.get(name)
        if entry is None:
            raise ArtefactError(f"{self.path} lists no file {name}", "export again")
        path = self.path / name if self.path.is_dir() else self.path
        data = read_file(path, expected_bytes=entry.bytes)
        if digest(data) != entry.sha256:
            raise ArtefactError(
                f"{path} has sha256 {digest(data)[:12]}…, its bundle says {entry.sha256[:12]}…",
                "the file is damaged or was changed: copy the bundle again, or export again",
            )
        return data

    def variant(self, name: str) -> Variant:
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants)
        raise ArtefactError(f"{self.path} has no variant {name!r}", f"it has {known}")


def open_bundle(path: Path | str | None = None) -> Bundle:
    """The bundle at `path`: a folder, its bundle.json, a single exported .onnx file, or a bundle's name.

    Without a path, the newest under `artifacts/`, else the one that comes with the package.
    Raises ArtefactError where it is missing, damaged, or no bundle of ours. Model files are checked when they are read.
    """
    try:
        return _open(_named(Path(path)) if path is not None else _default())
    except (OSError, ValueError) as error:  # a name that is too long, or is none; a folder that may not be searched
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ArtefactError(
            f"cannot read {path or 'the bundles here'} ({reason})", "check the name and its permissions"
        ) from None


def _open(path: Path) -> Bundle:
    if path.name == MANIFEST:
        path = path.parent
    if path.is_dir():
        return _open_folder(path)
    if path.suffix.lower() in WEIGHTS and path.exists():
        raise _weights_only(path)
    if not path.exists():
        raise ArtefactError(f"no bundle at {path}", _available(path.name))
    return _open_single_file(path)


def _weights_only(path: Path) -> ArtefactError:
    return ArtefactError(f"{path} holds weights, and is no bundle", f"export it: python -m export {shlex.quote(str(path))}")


def _named(path: Path) -> Path:
    """`path` itself, or where a bundle of that name lies when there is no such file."""
    return path if path.exists() or len(path.parts) != 1 else bundle_named(path.name) or path


def bundle_named(name: str) -> Path | None:
    """Where the bundle of that name lies, by the order of PLACES; None where there is none."""
    return next((root / name for root in PLACES if (root / name / MANIFEST).is_file()), None)


def _default() -> Path:
    try:
        return newest_bundle()
    except ArtefactError:
        if (EMBEDDED / DEFAULT / MANIFEST).is_file():
            return EMBEDDED / DEFAULT
        raise


def _available(wanted: str) -> str:
    names = sorted({manifest.parent.name for root in PLACES for manifest in root.glob(f"[!.]*/{MANIFEST}")})
    return suggest(wanted, names) if names else "make one with: make train export"


def newest_bundle(root: Path = ARTIFACTS) -> Path:
    """The most recently written bundle under `root`. Raises ArtefactError where there is none."""
    folders = folders_newest_first(root, MANIFEST)
    if not folders:
        raise ArtefactError(f"no bundle under {root}/", "make one with `make train export`, or pass --bundle FOLDER")
    return folders[0]


def read_file(path: Path, expected_bytes: int | None = None) -> bytes:
    """A regular file's bytes. Raises ArtefactError where it is missing, empty, unreadable, oversized or of another size."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ArtefactError(f"{path} is no regular file", "pass a bundle folder or an .onnx file")
        if status.st_size > MAX_FILE_BYTES:
            raise ArtefactError(f"{path} holds {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing", "copy the whole bundle again, or export again") from None
    except OSError as error:
        raise ArtefactError(f"cannot read {path} ({error.strerror})", "check the file's permissions") from None
    if not data:
        raise ArtefactError(f"{path} is empty", "copy it again, or export again")
    if expected_bytes is not None and len(data) != expected_bytes:
        raise ArtefactError(
            f"{path} holds {len(data):,} bytes, its bundle says {expected_bytes:,}",
            "the copy is incomplete or was changed: copy it again, or export again",
        )
    return data


def _open_folder(folder: Path) -> Bundle:
    source = folder / MANIFEST
    if not source.exists():
        if len(folder.parts) == 1 and (named := bundle_named(folder.name)) is not None:
            raise ArtefactError(f"the folder {folder} here is no bundle", f"for the bundle of that name: {named}")
        if any(entry.suffix.lower() in WEIGHTS for entry in folder.iterdir()):
            raise _weights_only(folder)
        raise ArtefactError(f"{folder} is no bundle, it has no {MANIFEST}", _available(folder.name))
    data = read_file(source)
    document = parse_json(data.decode(errors="replace"), str(source))
    match seal_holds(data):
        case None:
            raise ArtefactError(f"{source} has no seal, the digest of itself", "this exporter did not write it, export again")
        case False:
            raise ArtefactError(
                f"{source} does not match its seal, the digest of itself", "it is damaged or was edited, export again"
            )
    spec = Spec.from_dict(document, str(source))
    check_left_out(document.get("left_out", []), str(source))
    read = FieldReader(document, str(source))
    files = {name: _file_entry(name, entry, source) for name, entry in read.required("files", dict).items()}
    variants = tuple(Variant.from_dict(entry, str(source)) for entry in read.required("variants", list))
    if not variants:
        raise ArtefactError(f"{source} lists no variant to draw with", "export again")
    listed = {REFERENCE, *(name for variant in variants for name in variant.files)}
    if unlisted := sorted(listed - files.keys()):
        raise ArtefactError(f"{source} gives no digest for {', '.join(unlisted)}", "export again")
    if spec.mapping is not None and files.get(MAPPING, FileEntry(sha256="", bytes=0)).sha256 != spec.mapping.sha256:
        raise ArtefactError(f"{source} gives two digests for {MAPPING}, or none", "do not use this bundle, export again")
    return Bundle(path=folder, spec=spec, variants=variants, files=files)


def _file_entry(name: str, entry: Any, source: Path) -> FileEntry:
    check_name(name, f"{source}: files")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
        raise ArtefactError(f"{source} lists {name!r}, which leads out of the bundle", "do not use this bundle")
    read = FieldReader(entry, f"{source}: {name}")
    return FileEntry(sha256=read.required("sha256", str), bytes=read.integer("bytes", 1, MAX_FILE_BYTES))


def _open_single_file(path: Path) -> Bundle:
    """A lone generator.onnx: its own seal is the digest, its metadata the spec (read by whoever parses the graph)."""
    from gansample.bundle.onnx_check import check_onnx, is_model
    from gansample.bundle.onnx_metadata import spec_from_onnx

    data = read_file(path)
    match seal_holds(data):
        case None if not is_model(data):
            kind = "text" if b"\0" not in data[:4096] else f"a {path.suffix} file" if path.suffix else "something else"
            raise ArtefactError(f"{path} is no bundle, and no ONNX file but {kind}", "gan list shows the bundles here")
        case None:
            raise ArtefactError(
                f"{path} was not exported by this project: it has no seal, the digest of itself",
                f"export it first: python -m export --onnx {shlex.quote(str(path))}",
            )
        case False:
            raise ArtefactError(
                f"{path} does not match its seal, the digest of itself", "it is damaged or was changed, copy it again"
            )
    check_onnx(data, str(path))
    variant = Variant(
        name="onnx-fp32", runtime="onnxruntime", precision="fp32", files=(REFERENCE,), parity={"verdict": "NOT RUN"}
    )
    files = {REFERENCE: FileEntry(sha256=digest(data), bytes=len(data))}
    spec = spec_from_onnx(data, str(path))
    if spec.mapping is not None:
        raise ArtefactError(f"{path} draws from styles, which {MAPPING} makes of latents", "pass the whole bundle folder")
    return Bundle(path=path, spec=spec, variants=(variant,), files=files)
