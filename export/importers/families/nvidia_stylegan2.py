"""StyleGAN2 as stylegan2-ada-pytorch and the StyleGAN2 configurations of stylegan3 pickle it.

Every layer says itself how it is wired (`up`, `conv_clamp`, `act_gain`, `architecture`, its filter), so no default of any fork
has to be known.
"""

from export.importers.families.module_record import ModuleRecord, scalar
from export.importers.families.nvidia_layers import activation_of, fully_connected, mapping_of
from export.importers.families.stylegan2 import (
    Block,
    NoiseInput,
    Shortcut,
    StyleGAN2,
    Synthesis,
    SynthesisLayer,
    ToPicture,
    doubled,
    layers_of,
)
from gansample.errors import ArtefactError

HALF_POWER = 0.5**0.5
ARCHITECTURES = ("skip", "resnet", "orig")


def stylegan2_of(record: ModuleRecord, noise: NoiseInput) -> StyleGAN2:
    """The network that `record`, a `Generator`, describes. Raises ArtefactError where it describes another one."""
    inner = record.child("synthesis").expect_kind("SynthesisNetwork")
    width, resolutions = inner.integer("w_dim", 1), inner.integers("block_resolutions")
    if not resolutions or resolutions != [4 << index for index in range(len(resolutions))]:
        raise inner.lacks("block_resolutions of 4, 8, 16, …")
    records = [inner.child(f"b{resolution}").expect_kind("SynthesisBlock") for resolution in resolutions]
    blocks = [_block(each, width, resolution, noise) for each, resolution in zip(records, resolutions, strict=True)]
    if blocks[-1].picture is None or layers_of(blocks) != record.integer("num_ws"):
        raise inner.lacks(f"as many layers as its num_ws, {record.integer('num_ws')}")
    mapping = mapping_of(record.child("mapping"), layers_of(blocks))
    return StyleGAN2(mapping, Synthesis(records[0].tensor("const", None, 4, 4), blocks))


def _block(record: ModuleRecord, width: int, resolution: int, noise: NoiseInput) -> Block:
    kind, taps = record.text("architecture"), record.optional_tensor("resample_filter")
    if kind not in ARCHITECTURES:
        raise ArtefactError(
            f"{record.path} in {record.file} has the architecture {kind[:40]!r}", "only skip, resnet and orig are read"
        )
    if taps is None:
        raise record.lacks("resample_filter")
    first, last = record.integer("in_channels") == 0, record.flag("is_last")
    residual = kind == "resnet" and not first
    names = ("conv1",) if first else ("conv0", "conv1")
    gains = {"conv0": 1.0, "conv1": HALF_POWER if residual else 1.0}  # two branches of equal power are added
    layers = [_layer(record.child(name), width, resolution, noise, gains[name]) for name in names]
    picture = None
    if last or kind == "skip":
        part = record.child("torgb").expect_kind("ToRGBLayer")
        weight = part.tensor("weight", None, None, 1, 1) * part.number("weight_gain")
        affine = fully_connected(part.child("affine"), width, weight.shape[1])
        picture = ToPicture(affine, weight, part.tensor("bias", len(weight)), part.optional_number("conv_clamp"))
    shortcut = None
    if residual:
        part = record.child("skip").expect_kind("Conv2dLayer")
        if part.optional_tensor("bias") is not None or activation_of(part) != "linear" or part.optional_number("conv_clamp"):
            raise part.lacks("form without bias, activation and clamp")
        gain = part.number("weight_gain") * part.number("act_gain") * HALF_POWER
        shortcut = Shortcut(
            part.tensor("weight", None, None, 1, 1) * gain, part.tensor("resample_filter", *([None] * taps.dim()))
        )
    return Block(layers, picture, shortcut, doubled(taps, len(picture.bias[0])) if picture is not None and not first else None)


def _layer(record: ModuleRecord, width: int, resolution: int, noise: NoiseInput, gain: float) -> SynthesisLayer:
    record.expect_kind("SynthesisLayer")
    weight = record.tensor("weight", None, None, 3, 3)
    if activation_of(record) != "lrelu":
        raise record.lacks("leaky ReLU")
    enlarges = record.integer("up", 1, 2) == 2
    taps = record.optional_tensor("resample_filter") if enlarges else None
    if enlarges and taps is None:
        raise record.lacks("resample_filter")
    clamp = record.optional_number("conv_clamp")
    drawn = record.flag("use_noise") and noise != "none"
    strength = scalar(record.tensor("noise_strength")) if drawn else 0.0
    return SynthesisLayer(
        fully_connected(record.child("affine"), width, weight.shape[1]),
        weight,
        record.tensor("bias", len(weight)),
        taps=taps,
        noise=record.tensor("noise_const", resolution, resolution) * strength if drawn and noise == "const" else None,
        strength=strength if drawn and noise == "random" else None,
        resolution=resolution,
        gain=record.number("act_gain") * gain,
        clamp=clamp * gain if clamp is not None else None,
    )
