"""Pictures that come as one array, all of one size, as `fit.py` makes single ones."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from gansample.errors import ArtefactError
from train.data.channels import with_channels
from train.data.collection import Pixels, Report
from train.data.cores import cores
from train.data.fit import Frame, Unusable, fitted
from train.data.request import DataRequest

_CHUNK = 256


def fit_many(pictures: Pixels, request: DataRequest, report: Report) -> Pixels:
    """uint8 (N, h, w, 1 or 3) as (N, size, size, C). Raises ArtefactError where they are too small to show anything."""
    frame, count = Frame.of(request), len(pictures)
    if not count:
        raise ArtefactError("the source holds no pictures", "pass another")
    try:
        _fit_one(pictures[0], frame)  # all have one size, so what holds for the first holds for all
    except Unusable as reason:
        raise ArtefactError(f"the pictures are {reason}", f"ask for fewer than {frame.size} pixels") from None
    height, width = pictures.shape[1:3]
    if (height, width) == (frame.size, frame.size):
        images = pictures
    elif frame.fit == "pad" and max(height, width) <= frame.size:
        images = _padded(pictures, frame)
    else:
        images = _fit_all(pictures, frame, report)
    report(count, count)
    return with_channels(images, request)


def _padded(pictures: Pixels, frame: Frame) -> Pixels:
    """What `fitted` does to pictures that need no resampling, to all of them at once."""
    count, height, width, channels = pictures.shape
    if channels == 1 and len(set(frame.background)) > 1:
        channels = 3
    images = np.empty((count, frame.size, frame.size, channels), np.uint8)
    images[:] = frame.background[:channels]
    top, left = (frame.size - height) // 2, (frame.size - width) // 2
    images[:, top : top + height, left : left + width] = pictures
    return images


def _fit_all(pictures: Pixels, frame: Frame, report: Report) -> Pixels:
    """(N, size, size, 3), on every core."""
    count = len(pictures)
    images = np.empty((count, frame.size, frame.size, 3), np.uint8)

    def fit_chunk(start: int) -> int:
        end = min(start + _CHUNK, count)
        for place in range(start, end):
            images[place] = _fit_one(pictures[place], frame)
        return end

    with ThreadPoolExecutor(cores()) as pool:
        for done in pool.map(fit_chunk, range(0, count, _CHUNK)):
            report(done, count)
    return images


def _fit_one(picture: Pixels, frame: Frame) -> Pixels:
    return fitted(Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture), frame)
