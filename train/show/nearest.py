"""Samples above the training pictures they come nearest to: whether a generator copies is for a person to see."""

import numpy as np
import torch
from torch import Tensor

from gansample.outputs.grid import make_grid
from gansample.outputs.png import encode_png
from train.data.dataset import DataSet
from train.scores.evaluator import Evaluator

FILE = "nearest.png"
COLUMNS, PAIRS = 8, 24


def nearest_png(evaluator: Evaluator, data: DataSet, images: Tensor) -> bytes:
    """One PNG: a row of samples, under it a row with the nearest training picture of each, and so on for 24 samples.

    Of the pictures uint8 (N, C, H, W) the 24 that lie closest to a training picture are shown, the closest first: where
    anything was copied, it is here.
    """
    closest = torch.from_numpy(np.argsort(evaluator.novelty(images), kind="stable")[:PAIRS].copy())
    samples = images[closest]
    nearest = data.images[torch.from_numpy(evaluator.nearest(samples))]
    rows = [row for pair in zip(torch.split(samples, COLUMNS), torch.split(nearest, COLUMNS), strict=True) for row in pair]
    pictures = torch.cat(rows).permute(0, 2, 3, 1).numpy()
    columns = min(COLUMNS, len(samples))
    return encode_png(make_grid(pictures, columns, -(-len(pictures) // columns)))
