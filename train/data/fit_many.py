"""Pictures that come as one array, all of one size, as `fit.py` makes single ones."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from gansample.errors import ArtefactError
from train.data.channels import with_channels
from train.data.collection import Pixels, Report
from train.data.fit import Frame, Unusable, fitted
from train.data.request import DataRequest

_CHUNK = 256


def fit_many(pictures: Pixels, request: DataRequest, report: Report) -> Pixels:
    """uint8 (N, h, w, 1 or 3) as (N, size, size, C). Raises ArtefactError where they are too small to show anything."""
    frame = Frame.of(request)
    count, size = len(pictures), frame.size
    if not count:
        raise ArtefactError("the source holds no pictures", "pass another")
    if pictures.shape[1:3] == (size, size):
        report(count, count)
        return with_channels(pictures, request)
    images = np.empty((count, size, size, 3), np.uint8)

    def fit_chunk(start: int) -> int:
        chunk = range(start, min(start + _CHUNK, count))
        for place in chunk:
            picture = pictures[place]
            images[place] = fitted(Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture), frame)
        return len(chunk)

    done = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        try:
            for fitted_now in pool.map(fit_chunk, range(0, count, _CHUNK)):
                done += fitted_now
                report(done, count)
        except Unusable as reason:
            raise ArtefactError(f"the pictures are {reason}", f"ask for fewer than {size} pixels") from None
    return with_channels(images, request)
