"""Every number a run depends on, checked before anything is built.

The unit of progress is *images seen* (real pictures shown to the discriminator), never steps: a preset then means the same
for every batch size.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from gansample.errors import UsageError
from gansample.spec import Distribution

Loss = Literal["saturating", "non_saturating", "hinge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One training run. Raises UsageError for a value that cannot work, saying why."""

    seed: int = 0
    """Of everything that is drawn: weights, batches, latents, augmentation."""
    images: int = 80_000
    """Real pictures shown before training ends."""
    batch: int = 16
    image_size: int = 32
    """Height and width, pixels: 4 times a power of `stride`."""

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
    lr_g: float = 5e-4
    lr_d: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.99
    lr_decay: float = 0.6
    """Share of the run, at its end, over which both learning rates fall linearly to zero; 0 keeps them constant."""
    translate_probability: float = 0.0
    """How often a picture is shifted before the discriminator sees it, real and generated alike (DiffAugment)."""
    translate_pixels: int = 4
    """Largest shift in each direction."""

    ema_share: float = 0.05
    """Half-life of the generator's moving average as a share of the images seen so far; 0 exports the raw weights."""
    select: Literal["best", "last"] = "best"
    """best: the generator with the smallest kernel distance (the latest within one standard deviation); last: the last."""
    evaluations: int = 6
    """How often during the run the averaged generator is scored, previewed and saved."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes convolutions in bfloat16 under autocast: faster for wide networks, slower for the narrow default."""
    threads: int = 1
    """Processor threads; part of the configuration because the last bits of a sum depend on it. Layers this small gain little
    from a second one (862 to 1,002 img/s on 2 idle cores) and lose much where others work (529 to 381)."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            _check_type(name, getattr(self, name), kind)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}", f"it must be in {low}..{high}")
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
        resolution_steps(self.image_size, self.stride)
        if self.label_noise and self.loss == "hinge":
            raise UsageError("label_noise with the hinge loss, which has no labels", "use loss=non_saturating or label_noise=0")

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
    "translate_probability": (0, 1),
    "translate_pixels": (0, 64),
    "ema_share": (0, 1),
    "evaluations": (1, 10_000),
    "threads": (1, 1024),
}


def resolution_steps(image_size: int, stride: int) -> int:
    """How often 4 pixels are multiplied by `stride` to give `image_size`; UsageError where no whole number does."""
    size, steps = 4, 0
    while size < image_size:
        size, steps = size * stride, steps + 1
    if size != image_size or steps == 0:
        sizes = ", ".join(str(4 * stride**n) for n in range(1, 6))
        raise UsageError(f"image_size {image_size} is not reached from 4 pixels with stride {stride}", f"use one of {sizes}")
    return steps


def _check_type(name: str, value: Any, kind: Any) -> None:
    if choices := get_args(kind):
        if value not in choices:
            raise UsageError(f"{name} is {value!r}", f"use one of {', '.join(choices)}")
    elif isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise UsageError(f"{name} is {value!r}", f"it must be {'a number' if kind is float else 'a whole number'}")


def _parse(name: str, text: str, kind: Any) -> Any:
    if get_args(kind):
        return text
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{name} is {text!r}", f"it must be {'a number' if kind is float else 'a whole number'}") from None


# `classic` is every well-known tip taken literally, the reference that claims are measured against. `modern` keeps the same
# generator and changes what the evidence says pays (docs/gan.md).
PRESETS: Mapping[str, Config] = {
    "modern": Config(),
    "classic": Config(
        images=120_000, batch=64,
        loss="non_saturating", d_norm="batch", d_dropout=0.3, label_noise=0.05,
        lr_g=2e-4, lr_d=2e-4, beta2=0.999, lr_decay=0.0,
        ema_share=0.0, select="last",
    ),
}  # fmt: skip
