"""A configuration that cannot work is refused before anything is built, with the reason."""

import re
from dataclasses import replace
from typing import Any

import pytest

from gansample.errors import UsageError
from train.config import Config, resolution_steps
from train.presets import PRESETS, config_for


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kernel": 5}, "kernel 5 is not divisible by stride 2: .*checkerboard.*use kernel 2 or 4"),
        ({"kernel": 3}, "kernel 3 is not divisible by stride 2"),
        ({"image_size": 36, "stride": 3, "kernel": 6}, "kernel 6 with stride 3 needs half a pixel .*use kernel 3 or 9"),
        ({"image_size": 36}, "image_size 36 is not 4 to 7 pixels times a power of stride 2: use one of 28, 32, 40"),
        ({"image_size": 4}, "image_size 4 is not 4 to 7 pixels times a power"),
        ({"label_noise": 0.1}, "label_noise with the hinge loss, which has no labels"),
        ({"batch": 1}, "batch is 1: it must be in 2"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"images": 0}, "images is 0"),
        ({"d_dropout": 1.0}, "d_dropout is 1.0"),
        ({"lr_g": float("nan")}, "lr_g is nan"),
        ({"loss": "wasserstein"}, "loss is 'wasserstein': use one of saturating, non_saturating, hinge, least_squares"),
        ({"latent_size": 64.0}, "latent_size is 64.0: it must be a whole number"),
        ({"evaluations": True}, "evaluations is True: it must be a whole number"),
        ({"conditional": 1}, "conditional is 1: it must be true or false"),
        ({"loss": "wgan_gp", "d_norm": "batch"}, "a gradient penalty with d_norm=batch.*use d_norm=none"),
        ({"r1": 1.0, "d_norm": "batch"}, "a gradient penalty with d_norm=batch"),
        ({"augment_target": 0.6, "augment_translate": 0.0}, "augment_target without anything to augment with"),
    ],
)
def test_refuses(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        replace(Config(), **changes)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("width=3", r"cannot set 'width=3': write field=value with one of seed, images"),
        ("g_width", "cannot set 'g_width'"),
        ("g_width=wide", "g_width is 'wide': it must be a whole number"),
        ("g_width=2.5", "g_width is '2.5': it must be a whole number"),
        ("lr_g=fast", "lr_g is 'fast': it must be a number"),
        ("x_flip=yes", "x_flip is 'yes': it must be true or false"),
        ("output=relu", "output is 'relu': use one of tanh, sigmoid"),
    ],
)
def test_refuses_settings(setting: str, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        Config().with_settings([setting])


def test_settings_change_what_they_name_and_nothing_else() -> None:
    changed = Config().with_settings(["lr_g=1e-3", "g_width=48", "output=sigmoid", "loss=saturating"])
    assert changed == replace(Config(), lr_g=1e-3, g_width=48, output="sigmoid", loss="saturating")


def test_classic_is_every_tip_literally() -> None:
    classic = config_for("classic")
    assert classic.output == "tanh"
    assert classic.latent_distribution == "normal"
    assert classic.d_dropout > 0
    assert classic.label_noise > 0
    assert classic.d_downsample == "stride"
    assert classic.d_leak > 0
    assert classic.kernel % classic.stride == 0


def test_presets_share_the_generator() -> None:
    """So that every claim of one against the other is about training, and every export test covers both."""
    shape = ["image_size", "latent_size", "latent_distribution", "output", "kernel", "stride", "g_width"]
    for source, image_size in (("digits", 32), ("fashion-mnist", 28), ("photos", 64), ("photos", 128)):
        configs = [config_for(preset, source=source, image_size=image_size) for preset in PRESETS]
        assert len({tuple(getattr(config, name) for name in shape) for config in configs}) == 1


@pytest.mark.parametrize(("size", "stride", "start", "steps"), [(16, 2, 4, 2), (28, 2, 7, 2), (128, 2, 4, 5), (36, 3, 4, 2)])
def test_every_size_starts_small(size: int, stride: int, start: int, steps: int) -> None:
    assert resolution_steps(size, stride) == (start, steps)
    assert start * stride**steps == size


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown preset 'best': choose one of modern, classic"):
        config_for("best")
