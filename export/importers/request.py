"""What a user passes and says about it: the options of the command line, validated before anything heavy is loaded."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from unicodedata import normalize

from export.importers.file_kind import read_identified
from gansample.bundle.spec import Distribution, ValueRange
from gansample.errors import ArtefactError, UsageError

RANGES = ("auto", "tanh", "sigmoid", "bytes")
# Names of files that do not tell one generator from another.
PLAIN = re.compile(
    r"(pytorch_|diffusion_pytorch_)?(model|weights|generator|gen|netg|g|g_ema|ema|checkpoint|last|best)(-\d+-of-\d+)?"
)
LATENTS = ("auto", "normal", "uniform")
QUICKLY_READ = 1 << 26  # bytes: a file that is looked at before PyTorch is loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """One generator to import: exactly one of weights, onnx and torchscript. What is None is measured or assumed.

    Raises UsageError for options that cannot be used together.
    """

    weights: Path | None = None
    onnx: Path | None = None
    torchscript: Path | None = None
    generator: str | None = None
    kwargs: Mapping[str, Any] | None = None
    key: str | None = None
    call: str | None = None
    """A method or part of the class that draws, in place of forward."""
    chain: str | None = None
    image: tuple[int, int, int] | None = None
    latent_shape: tuple[int, ...] | None = None
    latent: Distribution | None = None
    value_range: ValueRange | None = None
    classes: int | None = None
    class_names: tuple[str, ...] | None = None
    recalibrate_bn: bool = False
    noise: Literal["none", "fixed", "seeded"] | None = None
    """What takes the place of noise that forward draws; None refuses it where it moves the picture."""
    author_latents: Distribution | None = None
    """What the latents of `--expect` show that they were drawn from, if they decide it."""
    author_range: ValueRange | None = None
    """Which last activation gives the pictures of `--expect`, if they show it."""
    name: str | None = None

    def __post_init__(self) -> None:
        given = [option for option in ("weights", "onnx", "torchscript") if getattr(self, option) is not None]
        if len(given) != 1:
            what = (
                f"{' and '.join(given)} are several generators" if given else "these options describe a file that is not named"
            )
            raise UsageError(what, "pass one weights file, --onnx FILE or --torchscript FILE")
        about_weights = [
            option
            for option, value in (
                ("--generator", self.generator),
                ("--kwargs", self.kwargs),
                ("--key", self.key),
                ("--call", self.call),
                ("--chain", self.chain),
            )
            if value is not None
        ]
        if self.weights is None and about_weights:
            raise UsageError(f"{about_weights[0]} describes a weights file", f"leave it out with --{given[0]}")
        if self.generator is not None and self.chain is not None:
            raise UsageError("--generator and --chain both say what the layers are", "pass one of them")
        if self.kwargs is not None and self.generator is None:
            raise UsageError("--kwargs are the arguments of a class", "pass the class as well: --generator FILE.py:CLASS")
        if self.call is not None and self.generator is None:
            raise UsageError("--call names a method of a class", "pass the class as well: --generator FILE.py:CLASS")
        if self.classes is not None and self.class_names is not None and self.classes != len(self.class_names):
            raise UsageError(
                f"--class-names has {len(self.class_names)} names, --classes says {self.classes}", "name every class"
            )

    def check_files(self) -> None:
        """Raise ArtefactError for a file that is not there, or a small one that is none of a model: that costs no time."""
        code = Path(self.generator.rpartition(":")[0] or self.generator) if self.generator is not None else None
        for path in (self.source, code):
            if path is not None and not path.exists():
                raise ArtefactError(f"there is no file {path}", _near(path))
        if self.source.is_file() and self.source.suffix != ".json" and self.source.stat().st_size <= QUICKLY_READ:
            read_identified(self.source)

    @property
    def source(self) -> Path:
        """The file that is imported."""
        return cast(Path, self.weights or self.onnx or self.torchscript)

    @property
    def bundle_name(self) -> str:
        """What the bundle is called: as asked for, as the file, or as its folder where the file's name says nothing."""
        if self.name is not None:
            return normalize("NFC", self.name)
        source = self.source.resolve()
        stem = (
            source.name if source.is_dir() else source.name.partition(".")[0] if source.name.endswith(".json") else source.stem
        )
        told = not PLAIN.fullmatch(stem.lower()) or source.parent == Path.cwd()  # where one works says nothing of the model
        name = stem if told else source.parent.name or stem
        return normalize("NFC", name)  # as people type it, whatever a file system or another machine made of it


def _near(path: Path) -> str:
    """What to do about a path that leads nowhere."""
    if path.stem and ".py:" in str(path):
        return f"for a class: --generator {path} --weights FILE"
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name.lower(), [name.lower() for name in beside], 1, cutoff=0.85)
    found = [str(path.with_name(name)) for name in beside if name.lower() in near]
    return f"did you mean {found[0]}?" if found else "check the path"


def parse_size(text: str, option: str = "--image") -> tuple[int, int, int]:
    """`1x28x28` -> (1, 28, 28). Raises UsageError for anything but channels (1, 3 or 4), height and width."""
    sizes = parse_shape(text, option)
    if len(sizes) != 3 or sizes[0] not in (1, 3, 4) or max(sizes) > 4096:
        raise UsageError(f"{option} {text!r} is no channels x height x width", "write it like 1x28x28 or 3x64x64")
    return sizes[0], sizes[1], sizes[2]


def parse_shape(text: str, option: str) -> tuple[int, ...]:
    """`16x4x4` -> (16, 4, 4). Raises UsageError for anything that is no list of sizes."""
    if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5}){0,3}", text):
        raise UsageError(f"cannot read {option} {text!r}", "write sizes joined by x, like 100 or 16x4x4")
    return tuple(int(size) for size in text.split("x"))


def parse_kwargs(text: str) -> dict[str, Any]:
    """A JSON object as constructor arguments. Raises UsageError where it is none."""
    try:
        kwargs = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--kwargs is no JSON ({error})", """write it like '{"nz": 100}'""") from None
    if not isinstance(kwargs, dict):
        raise UsageError(f"--kwargs is a {type(kwargs).__name__}", """write a JSON object, like '{"nz": 100}'""")
    return kwargs


def parse_range(text: str) -> ValueRange | None:
    """A value range, None for auto."""
    return cast(ValueRange | None, _choice(text, "--range", RANGES))


def parse_latent(text: str) -> Distribution | None:
    """A latent distribution, None for auto."""
    return cast(Distribution | None, _choice(text, "--latent", LATENTS))


def _choice(text: str, option: str, allowed: tuple[str, ...]) -> str | None:
    if text not in allowed:
        raise UsageError(f"{option} {text!r} is unknown", f"choose {', '.join(allowed)}")
    return None if text == "auto" else text
