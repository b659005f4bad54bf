"""How the named sets, all of them square, become pictures of another size."""

import dataclasses

from train.data.request import DataRequest

_MOST_PADDING = 4  # pixels in all: 28 become 32 and stay exact


def for_squares(request: DataRequest, side: int) -> DataRequest:
    """`request` for pictures of side × side: a few pixels short they are padded with black, else resized."""
    if 0 <= request.image_size - side <= _MOST_PADDING:
        return dataclasses.replace(request, fit="pad", background="black")
    return dataclasses.replace(request, fit="stretch")
