"""What a generator is to whoever draws with it: the fields of `bundle.json` and of the ONNX metadata."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from gansample.bundle.basis import Basis
from gansample.bundle.fields import FieldReader, parse_json
from gansample.bundle.receipts import check_name, check_parity, check_speed
from gansample.bundle.style_mapping import StyleMapping
from gansample.errors import ArtefactError, UsageError
from gansample.latents import LatentSpace, latents
from gansample.types import Latents, Rows

SCHEMA = 1
STYLE_SCHEMA = 2  # of a generator whose latents go through a mapping: an older reader would take its graph for another one
MAX_LATENT, MAX_SIDE = 1 << 20, 1 << 14  # a latent of a million numbers, a picture of 16,384 pixels: what is more is an attack
ONNX_METADATA_KEY = "gansample.spec"

Distribution = Literal["normal", "uniform"]
ValueRange = Literal["tanh", "sigmoid", "bytes"]
Runtime = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a generator takes and gives.

    `z` float32 (N, latent_size) [+ `label` int64 (N,)] -> `images` uint8 (N, height, width, channels).
    With a mapping in two graphs, through the styles `w` float32 (N, layers, size).
    """

    name: str
    latent_size: int
    distribution: Distribution = "normal"
    height: int
    width: int
    channels: int
    value_range: ValueRange = "tanh"
    """What the network put out before the pixel head: tanh −1..1, sigmoid 0..1, bytes 0..255."""
    classes: tuple[str, ...] | None = None
    """Class names, index = label; None for an unconditional generator."""
    mapping: StyleMapping | None = None
    """What makes styles of latents, which `psi` applies to; None where the graph takes latents themselves."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it came from: checkpoint digest, training configuration, data fingerprint, tool versions."""
    basis: Basis | None = None
    """What is told, measured and assumed about it; None in a bundle from before that was recorded."""

    def latents(self, seeds: Iterable[int], truncation: float | None = None) -> Latents:
        """The latents of `seeds`, float32 (N, latent_size); errors as `gansample.latents.latents`."""
        return latents(seeds, self.latent_size, self.distribution, truncation)

    def latent_space(self, truncation: float | None = None) -> LatentSpace:
        """Where its latents live. Raises UsageError for a truncation that is too small, or with nothing to cut."""
        return LatentSpace(self.latent_size, self.distribution, truncation)

    @property
    def graph_input(self) -> tuple[str, tuple[int, ...]]:
        """What the graph that draws takes for each picture: ("z", (latent_size,)), or ("w", (layers, size))."""
        return ("z", (self.latent_size,)) if self.mapping is None else ("w", (self.mapping.layers, self.mapping.size))

    @property
    def graph_takes_label(self) -> bool:
        """Whether the graph that draws takes a label too; where there is a mapping, that one does."""
        return self.classes is not None and self.mapping is None

    def trial_rows(self, seeds: range) -> Rows:
        """Rows to try the graph with, float32 (N, *shape of its input): latents, or numbers in the place of styles."""
        shape = self.graph_input[1]
        return self.latents(seeds) if self.mapping is None else latents(seeds, math.prod(shape)).reshape(-1, *shape)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA if self.mapping is None else STYLE_SCHEMA,
            "name": self.name,
            "latent": {"size": self.latent_size, "distribution": self.distribution},
            "image": {
                "height": self.height,
                "width": self.width,
                "channels": self.channels,
                "range": self.value_range,
            },
            "classes": list(self.classes) if self.classes is not None else None,
            **({"mapping": self.mapping.to_dict()} if self.mapping is not None else {}),
            "provenance": dict(self.provenance),
            **({"basis": self.basis.to_dict()} if self.basis is not None else {}),
        }

    @classmethod
    def from_dict(cls, data: Any, source: str) -> "Spec":
        """Read what `to_dict` wrote. Raises ArtefactError naming `source` and the field that is missing or wrong."""
        read = FieldReader(data, source)
        schema = read.integer("schema", 1)
        if schema > STYLE_SCHEMA:
            raise ArtefactError(
                f"{source} has schema {schema}, this gansample reads {SCHEMA} and {STYLE_SCHEMA}", "update gansample"
            )
        classes = read.optional("classes", list)
        if classes is not None and not (classes and all(isinstance(name, str) for name in classes)):
            raise ArtefactError(f"{source}: classes must be a list of names or null, not {classes!r}")
        for name in classes or ():
            check_name(name, f"{source}: classes")
        return cls(
            name=read.name("name"),
            latent_size=read.integer("latent.size", 1, MAX_LATENT),
            distribution=read.choice("latent.distribution", ("normal", "uniform")),  # type: ignore[arg-type]
            height=read.integer("image.height", 1, MAX_SIDE),
            width=read.integer("image.width", 1, MAX_SIDE),
            channels=read.integer("image.channels", 1, 4),
            value_range=read.choice("image.range", ("tanh", "sigmoid", "bytes")),  # type: ignore[arg-type]
            classes=tuple(classes) if classes is not None else None,
            mapping=StyleMapping.from_dict(read.required("mapping", dict), source) if schema == STYLE_SCHEMA else None,
            provenance=read.required("provenance", dict),
            basis=Basis.from_dict(read.optional("basis", dict), source),
        )

    @classmethod
    def from_json(cls, text: str, source: str) -> "Spec":
        return cls.from_dict(parse_json(text, source), source)


def require_mapping(spec: Spec, option: str = "psi") -> StyleMapping:
    """The generator's mapping. Raises UsageError, for whoever asked for `option`, where it has none."""
    if spec.mapping is None:
        raise UsageError(
            f"{option} is about a mapping from latents to styles, and {spec.name} has none",
            "leave it out; truncation, which cuts latents, applies",
        )
    return spec.mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form of the generator that some runtime executes, with the receipt of its parity check."""

    name: str
    """For example onnx-fp32, openvino-int8."""
    runtime: Runtime
    precision: Precision
    files: tuple[str, ...]
    """Paths inside the bundle, the one to open first; sizes and digests are in the bundle's file table."""
    parity: Mapping[str, Any]
    speed: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What each optimisation brought when the variant was built, in figures."""
    engines: tuple[Mapping[str, Any], ...] = ()
    """What builders of GPU engines said to this graph when it was exported (`runtimes/tensorrt/receipt.py`)."""

    @property
    def reference(self) -> str:
        """What drew the pictures that it was compared with, and the goldens."""
        return str(self.parity.get("reference", "PyTorch float64"))

    @property
    def images_per_second(self) -> float | None:
        """What the exporter measured in batches, 64 or fewer where pictures are large; None where it did not."""
        return recorded_rate(self.speed)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "runtime": self.runtime,
            "precision": self.precision,
            "files": list(self.files),
            "parity": dict(self.parity),
            "speed": dict(self.speed),
            "notes": dict(self.notes),
            **({"engines": [dict(receipt) for receipt in self.engines]} if self.engines else {}),
        }

    @classmethod
    def from_dict(cls, data: Any, source: str) -> "Variant":
        read = FieldReader(data, source)
        files = read.required("files", list)
        if not files or not all(isinstance(name, str) for name in files):
            raise ArtefactError(f"{source}: a variant's files must be a list of paths, not {files!r}")
        parity, speed = read.required("parity", dict), read.required("speed", dict)
        check_parity(parity, source)
        check_speed(speed, source)
        return cls(
            name=read.name("name"),
            runtime=read.choice("runtime", get_args(Runtime)),  # type: ignore[arg-type]
            precision=read.choice("precision", get_args(Precision)),  # type: ignore[arg-type]
            files=tuple(files),
            parity=parity,
            speed=speed,
            notes=read.optional("notes", dict) or {},
            engines=tuple(receipt for receipt in read.optional("engines", list) or [] if isinstance(receipt, dict)),
        )


def recorded_rate(speed: Mapping[str, Any]) -> float | None:
    """Pictures per second at the largest batch that a variant's `speed` records; None where it has no such figure."""
    rates = speed.get("images_per_second")
    known = rates.items() if isinstance(rates, Mapping) else ()
    by_batch = {int(batch): rate for batch, rate in known if batch.isdecimal() and len(batch) < 10}
    rate = by_batch[max(by_batch)] if by_batch else None
    return float(rate) if isinstance(rate, int | float) and rate > 0 else None


def format_rate(images_per_second: float) -> str:
    """Pictures per second for people; two digits where they are few, as of large pictures."""
    return f"{images_per_second:,.0f}" if images_per_second >= 10 else f"{images_per_second:.2g}"
