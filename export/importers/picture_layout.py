"""How a network lays out its pictures, from one batch of them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from export.importers.call_signature import CallSignature, Layout
from export.importers.from_names.recognise import Size, flat_picture

AT_ONCE = 2**21  # values of pictures looked at together


def with_layout(out: Tensor, signature: CallSignature, image: Size | None, batch: int) -> CallSignature | None:
    """`signature` with the layout and size of the pictures in `out`, a batch of `batch`; None where it holds none.

    image  the size that they must have, if it is known.
    """
    if not out.is_floating_point() or out.numel() % batch:
        return None
    shape = tuple(out.shape)
    if batch == 1 and len(shape) < 4 and shape[0] != 1:
        shape = (1, *shape)  # a squeezed batch of one
    if shape[0] != batch:
        return None
    for layout, size in _layouts(shape[1:], out, image):
        if image is None or size == image:
            return replace(signature, layout=layout, image=size)
    return None


def other_shapes(values: int, taken: Size) -> list[Size]:
    """Other square pictures of that many values."""
    sides = ((channels, round((values / channels) ** 0.5)) for channels in (1, 3, 4))
    return [(c, side, side) for c, side in sides if c * side * side == values and (c, side, side) != taken]


def smoothness(pictures: Tensor) -> float:
    """Correlation of neighbouring pixels, across and down, of (N, C, H, W): −1..1, 0 for noise, above 0.5 for photos."""
    moments = torch.zeros(6, dtype=torch.float64)  # n, Σx, Σy, Σx², Σy², Σxy of all pairs
    few = max(1, AT_ONCE // max(1, pictures[0].numel()))
    for start in range(0, len(pictures), few):
        wide = pictures[start : start + few].double() - pictures.flatten()[0]  # constant pictures are 0, without rounding
        for x, y in ((wide[..., :, 1:], wide[..., :, :-1]), (wide[..., 1:, :], wide[..., :-1, :])):
            sums = [x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()]
            moments += torch.stack([torch.tensor(float(x.numel()), dtype=torch.float64), *sums])
    n, x1, y1, xx, yy, xy = moments.tolist()
    spread = (n * xx - x1 * x1) * (n * yy - y1 * y1)
    return float((n * xy - x1 * y1) / math.sqrt(spread)) if spread > 0 else 0.0


def _layouts(shape: tuple[int, ...], out: Tensor, image: Size | None) -> Iterator[tuple[Layout, Size]]:
    match shape:
        case (c, h, w) if min(h, w) >= 8 and c in (1, 3, 4):
            yield "CHW", (c, h, w)
        case (h, w, c) if min(h, w) >= 8 and c in (1, 3, 4):
            yield "HWC", (c, h, w)
        case (h, w) if min(h, w) >= 8:
            yield "HW", (1, h, w)
        case (values,) if image is not None and values == image[0] * image[1] * image[2]:
            yield "flat CHW", image  # as the shape was told
        case (values,) if image is None:
            channels, side = flat_picture(values, None)
            if side:
                size = (channels, side, side)
                yield _flat_layout(out, size), size


def _flat_layout(out: Tensor, size: Size) -> Layout:
    """Whether the channels of a flat picture come first or last: neighbouring pixels are alike only in the right reading."""
    channels, height, width = size
    first = out.reshape(-1, channels, height, width)
    last = out.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    return "flat CHW" if channels == 1 or smoothness(first) >= smoothness(last) else "flat HWC"
