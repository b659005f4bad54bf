"""Grey or colour."""

import numpy as np

from train.data.collection import Pixels
from train.data.request import DataRequest

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def with_channels(images: Pixels, request: DataRequest) -> Pixels:
    """(N, H, W, 1 or 3) as (N, H, W, C): with auto, one channel where every picture has R = G = B."""
    if request.channels == "rgb":
        return images if images.shape[-1] == 3 else np.repeat(images, 3, axis=-1)
    if images.shape[-1] == 1:
        return images
    if request.channels == "auto":
        return np.ascontiguousarray(images[..., :1]) if _all_grey(images) else images
    grey = np.empty((*images.shape[:3], 1), np.uint8)
    for place, image in enumerate(images):
        grey[place, ..., 0] = np.rint(image @ _LUMA)
    return grey


def _all_grey(images: Pixels) -> bool:
    return all((image == image[..., :1]).all() for image in images)
