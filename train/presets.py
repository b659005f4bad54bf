"""Two ways of training, fitted to how large the pictures are and how many of them there are.

classic  every well-known tip taken literally, without what came later: the reference that claims are measured against.
modern   the same generator, and what the evidence says pays (docs/gan.md).

Everything that depends on the data stands in one table, so that both presets always train the same network on the same budget.
"""

from collections.abc import Mapping
from typing import Any

from gansample.errors import UsageError
from train.config import Config

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "modern": {},
    "classic": {
        "loss": "non_saturating", "d_norm": "batch", "d_dropout": 0.3, "label_noise": 0.05,
        "lr_g": 2e-4, "lr_d": 2e-4, "beta2": 0.999, "lr_decay": 0.0,
        "augment_probability": 0.0, "augment_target": 0.0, "augment_color": 0.0,
        "ema_share": 0.0, "select": "last", "intervene": False,
    },
}  # fmt: skip

# One thread for digits: layers this small gain little from a second one (862 to 1,002 img/s on 2 idle cores) and lose much
# where others work (529 to 381).
DIGITS: Mapping[str, Any] = {"precision": "fp32", "threads": 1}
CLASSIC_DIGITS: Mapping[str, Any] = {"images": 120_000, "batch": 64}


def config_for(preset: str, *, source: str = "digits", image_size: int = 32, conditional: bool = False) -> Config:
    """The preset's configuration for pictures of `image_size` pixels. Raises UsageError for an unknown preset.

    source  the embedded digits train in minutes with narrow networks; everything else gets the size's own.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown preset {preset!r}", f"choose one of {', '.join(PRESETS)}")
    scale = _scale(preset, source, image_size)
    return Config(image_size=image_size, conditional=conditional, **{**scale, **PRESETS[preset]})


def _scale(preset: str, source: str, image_size: int) -> dict[str, Any]:
    """Widths, batch and budget for pictures of this size: what two processor cores manage in minutes to a few hours."""
    if source == "digits":
        return {**DIGITS, **(CLASSIC_DIGITS if preset == "classic" else {})}
    if image_size <= 32:
        return {
            "images": 640_000, "batch": 64 if preset == "classic" else 16, "latent_size": 128, "g_width": 48, "d_width": 48,
            "lr_g": 3e-4, "lr_d": 3e-4, "evaluations": 20,
        }  # fmt: skip
    return {
        "images": 1_000_000, "batch": 32, "latent_size": 128, "g_width": 48 if image_size <= 64 else 24,
        "d_width": 48 if image_size <= 64 else 24, "lr_g": 3e-4, "lr_d": 3e-4, "evaluations": 40,
        "augment_target": 0.6, "augment_color": 0.5,
    }  # fmt: skip
