"""Thousands of files as one array: decoded on every core, with a bounded number of originals in memory."""

import collections
import warnings
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from PIL import Image

from train.data.collection import Pixels, Report
from train.data.cores import cores
from train.data.decode import decode
from train.data.fit import Frame, Unusable

_MOST_HELD = 256 * 2**20  # bytes

Answer = Pixels | Unusable


def decode_many(
    files: Iterable[tuple[str, bytes | Unusable]], names: list[str], frame: Frame, report: Report
) -> tuple[Pixels, list[str], dict[str, str]]:
    """Pictures uint8 (n, size, size, 3) in the order of `names`, whatever the order of `files`; their names; and, by name,
    why the others could not be used."""
    places = {name: place for place, name in enumerate(names)}
    images = np.empty((len(names), frame.size, frame.size, 3), np.uint8)
    good = np.zeros(len(names), bool)
    reasons = {}
    for done, (name, answer) in enumerate(_answers(files, frame), 1):
        if isinstance(answer, Unusable):
            reasons[name] = str(answer)
        else:
            images[places[name]], good[places[name]] = answer, True
        report(done, len(names))
    kept = [name for name in names if good[places[name]]]
    return (images if good.all() else images[good]), kept, reasons


def _answers(files: Iterable[tuple[str, bytes | Unusable]], frame: Frame) -> Iterable[tuple[str, Answer]]:
    """Pillow decodes and resizes outside of Python's lock, so threads are enough."""

    def attempt(data: bytes | Unusable) -> Answer:
        try:
            return data if isinstance(data, Unusable) else decode(data, frame)
        except Unusable as reason:
            return reason

    workers = cores()
    waiting: collections.deque[tuple[str, int, Future[Answer]]] = collections.deque()
    held = 0  # bytes of originals
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # a strange EXIF block is not the user's concern
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for name, data in files:
            size = 0 if isinstance(data, Unusable) else len(data)
            waiting.append((name, size, pool.submit(attempt, data)))
            held += size
            while len(waiting) >= 8 * workers or held > _MOST_HELD:
                name, size, answer = waiting.popleft()
                held -= size
                yield name, answer.result()
        for name, _, answer in waiting:
            yield name, answer.result()
