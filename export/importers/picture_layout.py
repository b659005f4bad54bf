"""How a network lays out its pictures, from one batch of them."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from export.importers.call_signature import CallSignature, Layout
from export.importers.from_names.recognise import Size, flat_picture


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
    rows = torch.stack([pictures[..., :, 1:].flatten(), pictures[..., :, :-1].flatten()])
    columns = torch.stack([pictures[..., 1:, :].flatten(), pictures[..., :-1, :].flatten()])
    pairs = torch.cat([rows, columns], 1).double()
    return float(torch.corrcoef(pairs)[0, 1]) if float(pairs.std()) > 0 else 0.0


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
