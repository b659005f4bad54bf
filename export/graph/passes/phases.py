"""A transposed convolution as a convolution of s² phases: the arithmetic, whatever the graph is written in.

Output o of a transposed convolution with kernel k, stride s, padding p sums w[j]·x[i] over s·i + j = o + p. With
o + p = s·q + r the phase r only ever meets the taps j = r + s·t, each with x[q − t]: a convolution with T = ⌈k/s⌉ taps (those
past the kernel are zero), the same for every q. All s² phases are channels of one convolution over the input padded by
T − 1, interleaved by DepthToSpace, and p is cropped. See Shi et al. 2016, "Is the deconvolution layer the same as a
convolutional layer?".

Channels are phase-major, (s, s, Cout), which DepthToSpace calls DCR or blocks_first: what becomes one pixel then lies side by
side in channels-last memory, and interleaving copies whole pixels. Channel-major it took five times as long.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

END = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """What stands in the place of a transposed convolution. Both spatial axes are treated alike."""

    weight: npt.NDArray[Any]
    """(s²·Cout, Cin, T, T), in the type of the weight it came from."""
    stride: int
    pads: tuple[int, int]
    """Of the convolution: before and after."""
    crop: tuple[int, int]
    """Start and end of the slice behind DepthToSpace; END where nothing is cut off."""

    @property
    def taps(self) -> int:
        return int(self.weight.shape[2])

    def per_channel(self, values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
        """One value of each output channel along `axis`, repeated for every phase."""
        return np.concatenate([values] * self.stride**2, axis)

    def repeated(self, value: npt.NDArray[Any], channels: int) -> npt.NDArray[Any] | None:
        """A constant that is combined with the layer's (N, C, H, W), as the phases need it; None where it is another from
        place to place."""
        if value.size == 1:
            return value
        axis = value.ndim - 3
        if axis < 0 or value.shape[axis] != channels or value.size != channels:
            return None
        return self.per_channel(value, axis)


def phases_of(weight: npt.NDArray[Any], stride: int, pad: int, output_padding: int = 0) -> Phases:
    """weight  of the transposed convolution, (Cin, Cout, k, k)."""
    cin, cout, k, _ = weight.shape
    taps = -(-k // stride)
    wide = np.zeros((cin, cout, taps * stride, taps * stride), weight.dtype)
    wide[:, :, :k, :k] = weight
    # (Cin, Cout, t, r, t, r), taps reversed: a convolution reads x[q − t] with its last tap first.
    split = wide.reshape(cin, cout, taps, stride, taps, stride)[:, :, ::-1, :, ::-1, :]
    phased = split.transpose(3, 5, 1, 0, 2, 4).reshape(cout * stride**2, cin, taps, taps)
    # A full convolution gives n + T − 1 phases per row, T·s − k more outputs than the transposed one has.
    crop = taps * stride - k + pad - output_padding
    missing, crop_end = max(0, -crop), max(0, crop)
    rows = -(-missing // stride)
    crop_end += rows * stride - missing
    return Phases(
        weight=np.ascontiguousarray(phased),
        stride=stride,
        pads=(taps - 1, taps - 1 + rows),
        crop=(pad, -crop_end if crop_end else END),
    )
