"""StyleGAN3 as stylegan3 pickles it. Every layer says its sizes, filters, margins and gains itself."""

from math import sqrt

from torch import Tensor

from export.importers.families.module_record import ModuleRecord, scalar
from export.importers.families.nvidia_layers import fully_connected, mapping_of
from export.importers.families.stylegan2 import StyleGAN2
from export.importers.families.stylegan3 import FilteredLayer, FilteredSynthesis, Waves
from gansample.errors import ArtefactError

LARGEST = 1 << 13  # pixels of the input, across and down


def stylegan3_of(record: ModuleRecord) -> StyleGAN2:
    """The network that `record`, a `Generator`, describes. Raises ArtefactError where it describes another one."""
    inner = record.child("synthesis").expect_kind("SynthesisNetwork")
    width, names = inner.integer("w_dim", 1), inner.names("layer_names")
    layers = [_layer(inner.child(name), width) for name in names]
    count = len(layers) + 1
    if not layers or count != record.integer("num_ws"):
        raise inner.lacks(f"as many layers as its num_ws, {record.integer('num_ws')}")
    synthesis = FilteredSynthesis(_waves(inner.child("input"), width), layers, inner.number("output_scale"))
    return StyleGAN2(mapping_of(record.child("mapping"), count), synthesis)


def _waves(record: ModuleRecord, width: int) -> Waves:
    record.expect_kind("SynthesisInput")
    channels, size = record.integer("channels", 1), record.integers("size", 2)
    if min(size) < 1 or max(size) > LARGEST:
        raise record.lacks(f"size of 1 to {LARGEST} pixels")
    return Waves(
        fully_connected(record.child("affine"), width, 4),
        record.tensor("weight", channels, channels) / sqrt(channels),
        record.tensor("freqs", channels, 2),
        record.tensor("phases", channels),
        record.tensor("transform", 3, 3),
        size=(size[0], size[1]),
        rate=record.number("sampling_rate"),
        bandwidth=record.number("bandwidth"),
    )


def _layer(record: ModuleRecord, width: int) -> FilteredLayer:
    record.expect_kind("SynthesisLayer")
    kernel, picture = record.integer("conv_kernel", 1, 31), record.flag("is_torgb")
    weight = record.tensor("weight", None, None, kernel, kernel)
    before, after, top, bottom = record.integers("padding", 4)
    if (before, after) != (top, bottom):
        raise ArtefactError(f"{record.path} in {record.file} has another margin across than down", "such pictures are not read")
    if picture:  # not demodulated, but divided by the root of how many products its sums have
        weight = weight / sqrt(weight.shape[1] * kernel**2)
    else:  # no more than where ε counts: demodulation takes any factor out again
        weight = weight * weight.square().mean((1, 2, 3), keepdim=True).rsqrt()
    return FilteredLayer(
        fully_connected(record.child("affine"), width, weight.shape[1]),
        weight,
        record.tensor("bias", len(weight)),
        demodulate=not picture,
        scale=scalar(record.tensor("magnitude_ema")) ** -0.5,
        up=(record.integer("up_factor", 1, 16), _taps(record, "up")),
        down=(record.integer("down_factor", 1, 16), _taps(record, "down")),
        margin=(before, after),
        gain=1.0 if picture else sqrt(2),
        slope=1.0 if picture else 0.2,
        clamp=record.optional_number("conv_clamp"),
    )


def _taps(record: ModuleRecord, which: str) -> Tensor | None:
    """The filter; None where there is none, and then nothing may be resampled."""
    taps = record.optional_tensor(f"{which}_filter")
    if taps is None and record.integer(f"{which}_factor") != 1:
        raise record.lacks(f"{which}_filter")
    if taps is not None and (taps.dim() not in (1, 2) or len(set(taps.shape)) != 1):
        raise record.lacks(f"{which}_filter in one or two directions")
    return taps
