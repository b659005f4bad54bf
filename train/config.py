"""Every number a run depends on, checked before anything is built.

The unit of progress is *images seen* (real pictures shown to the discriminator), never steps: a preset then means the same
for every batch size.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from gansample.bundle.spec import Distribution
from gansample.errors import UsageError

Loss = Literal["saturating", "non_saturating", "hinge", "least_squares", "wgan_gp", "relativistic"]
WITH_LABELS: tuple[Loss, ...] = ("saturating", "non_saturating", "least_squares")
"""Losses that hold D's answer against a label, 1 for real and 0 for generated, and so can have noise on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One training run. Raises UsageError for a value that cannot work, saying why."""

    seed: int = 0
    """Of everything that is drawn: weights, batches, latents, augmentation."""
    images: int = 80_000
    """Real pictures shown before training ends."""
    batch: int = 16
    image_size: int = 32
    """Height and width, pixels: from 4 to 7 times a power of `stride` (16, 28, 32, 64, 128 …)."""
    conditional: bool = False
    """Generate a requested class: G gets the class beside z, D scores picture and class together."""
    class_embedding: int = 32
    """Numbers that stand for a class where it enters G."""
    x_flip: bool = False
    """Show real pictures mirrored half of the time. Doubles a small set, and is wrong for whatever has a left and a right."""

    latent_size: int = 64
    latent_distribution: Distribution = "normal"
    """normal is N(0, I), uniform is U(−1, 1)."""
    output: Literal["tanh", "sigmoid"] = "tanh"
    """The generator's last function, and with it the range of every picture: −1..1 or 0..1."""
    kernel: int = 4
    """Side of the (de)convolutions that change the resolution, pixels; must be divisible by `stride`."""
    stride: int = 2
    g_width: int = 24
    """Channels before the generator's last layer; doubles with every halving of the resolution."""
    d_width: int = 24
    """Channels after the discriminator's first layer; doubles likewise."""
    d_norm: Literal["spectral", "batch", "none"] = "spectral"
    d_downsample: Literal["stride", "pool"] = "stride"
    """stride: strided convolutions; pool: 3×3 convolutions with average pooling."""
    d_leak: float = 0.2
    """Slope of the discriminator's LeakyReLU below zero; 0 is a plain ReLU."""
    d_dropout: float = 0.0
    """Probability that a feature is dropped before the discriminator's last layer."""

    loss: Loss = "hinge"
    label_noise: float = 0.0
    """The discriminator's labels 0 and 1 move towards each other by U(0, label_noise), drawn anew for every picture."""
    gradient_penalty: float = 10.0
    """Weight of (|∇D| − 1)² between real and generated pictures; wgan_gp only."""
    r1: float = 0.0
    """γ of γ/2 · E|∇D(x)|², which keeps D flat around real pictures. Costs a second pass backwards."""
    r2: float = 0.0
    """The same around generated pictures."""
    lr_g: float = 5e-4
    lr_d: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.99
    lr_decay: float = 0.6
    """Share of the run, at its end, over which both learning rates fall linearly to zero; 0 keeps them constant."""
    augment_probability: float = 0.0
    """How often a picture is changed before D sees it, real and generated alike (DiffAugment); with a target, the start."""
    augment_target: float = 0.0
    """Raise or lower the probability until E[sign D(x)] is this (adaptive augmentation); 0 leaves it fixed."""
    augment_translate: float = 0.125
    """Largest shift in each direction, as a share of the side."""
    augment_color: float = 0.0
    """Strength of changes of brightness, saturation and contrast, 0..1."""
    augment_cutout: float = 0.0
    """Side of the square that is blanked out, as a share of the picture's; leaks into the samples of small sets."""

    ema_share: float = 0.05
    """Half-life of the generator's moving average as a share of the images seen so far; 0 exports the raw weights."""
    intervene: bool = True
    """Let the run change its own course where it goes wrong: augment more, stop when it diverges. Otherwise it only warns."""
    select: Literal["best", "last"] = "best"
    """best: the generator with the smallest kernel distance (the latest within one standard deviation); last: the last."""
    evaluations: int = 6
    """How often during the run the averaged generator is scored, previewed and saved."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16 computes convolutions in bfloat16 under autocast; auto times both at the start and says which it took."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    """Processor threads, 0 for every core. Part of the configuration because the last bits of a sum depend on it."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            _check_type(name, getattr(self, name), kind)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}", f"it must be in {low}..{high}")
        self._check_kernel()
        resolution_steps(self.image_size, self.stride)
        if self.label_noise and self.loss not in WITH_LABELS:
            raise UsageError(
                f"label_noise with the {self.loss} loss, which has no labels", f"use loss={WITH_LABELS[1]} or label_noise=0"
            )
        if (self.loss == "wgan_gp" or self.r1 or self.r2) and self.d_norm == "batch":
            raise UsageError(
                "a gradient penalty with d_norm=batch, which ties every picture's gradient to the others'", "use d_norm=none"
            )
        if self.augment_target and not (self.augment_translate or self.augment_color or self.augment_cutout):
            raise UsageError("augment_target without anything to augment with", "set augment_translate=0.125")

    def _check_kernel(self) -> None:
        if self.kernel % self.stride:
            raise UsageError(
                f"kernel {self.kernel} is not divisible by stride {self.stride}",
                "its positions would overlap unevenly and print a checkerboard on every picture; "
                f"use kernel {self.stride} or {2 * self.stride}",
            )
        if (self.kernel - self.stride) % 2:
            raise UsageError(
                f"kernel {self.kernel} with stride {self.stride} needs half a pixel of padding",
                f"use kernel {self.stride} or {3 * self.stride}",
            )

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Config":
        """The configuration that `to_dict` of this version or of 0.1 gave. Raises UsageError for what does not fit, TypeError
        for an unknown field."""
        values = dict(document)
        if values.pop("uneven_kernel", False):
            raise UsageError("uneven_kernel is true", "such a network was an experiment of version 0.1")
        return cls(**values)

    def with_settings(self, settings: Sequence[str]) -> "Config":
        """This configuration with `field=value` strings applied, as given to --set. Raises UsageError for what does not fit."""
        hints = get_type_hints(type(self))
        changes: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals or name not in hints:
                raise UsageError(f"cannot set {setting!r}", f"write field=value with one of {', '.join(hints)}")
            changes[name] = _parse(name, text, hints[name])
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


_KINDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number"}
_RANGES: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "images": (1, 10**10),
    "batch": (2, 65536),
    "image_size": (4, 1024),
    "latent_size": (1, 4096),
    "kernel": (1, 32),
    "stride": (2, 8),
    "g_width": (1, 1024),
    "d_width": (1, 1024),
    "d_leak": (0, 1),
    "d_dropout": (0, 0.9),
    "label_noise": (0, 0.5),
    "lr_g": (0, 1),
    "lr_d": (0, 1),
    "beta1": (0, 0.9999),
    "beta2": (0, 0.99999),
    "lr_decay": (0, 1),
    "class_embedding": (1, 4096),
    "gradient_penalty": (0, 1000),
    "r1": (0, 1000),
    "r2": (0, 1000),
    "augment_probability": (0, 1),
    "augment_target": (0, 1),
    "augment_translate": (0, 0.5),
    "augment_color": (0, 1),
    "augment_cutout": (0, 0.75),
    "ema_share": (0, 1),
    "evaluations": (1, 10_000),
    "threads": (0, 1024),
}


def resolution_steps(image_size: int, stride: int) -> tuple[int, int]:
    """(start, steps): `image_size` is start · stride^steps with the smallest start of at least 4 pixels.

    Raises UsageError where no whole number does, or where there is nothing to multiply.
    """
    start, steps = image_size, 0
    while start % stride == 0 and start // stride >= 4:
        start, steps = start // stride, steps + 1
    if steps == 0 or start >= 4 * stride:
        near = sorted(
            {begin * stride**n for begin in range(4, 4 * stride) for n in range(1, 9)}, key=lambda s: abs(s - image_size)
        )
        raise UsageError(
            f"image_size {image_size} is not 4 to {4 * stride - 1} pixels times a power of stride {stride}",
            f"use one of {', '.join(map(str, sorted(near[:3])))}",
        )
    return start, steps


def _check_type(name: str, value: Any, kind: Any) -> None:
    if choices := get_args(kind):
        if value not in choices:
            raise UsageError(f"{name} is {value!r}", f"use one of {', '.join(choices)}")
    elif isinstance(value, bool) != (kind is bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise UsageError(f"{name} is {value!r}", f"it must be {_KINDS[kind]}")


def _parse(name: str, text: str, kind: Any) -> Any:
    if get_args(kind):
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise UsageError(f"{name} is {text!r}", "it must be true or false")
        return text == "true"
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{name} is {text!r}", f"it must be {_KINDS[kind]}") from None
