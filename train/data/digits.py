"""The embedded data set: scikit-learn's handwritten digits."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from train.data.dataset import SPLIT_SEED, DataSet, compute_fingerprint
from train.data.fit import with_channels
from train.data.request import DataRequest
from train.data.source import Collection, ProgressCallback


def digits(image_size: int) -> DataSet:
    """The 1,797 handwritten digits inside scikit-learn (8×8, 17 grey levels; Alpaydin & Kaynak 1998), resized bicubically.

    Four fifths are for training, one fifth is held out, each with the same share of every class.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    resized = [_resize(picture / 16.0, image_size) for picture in bunch.images]
    images = torch.from_numpy(np.stack(resized)[:, None])  # (1797, 1, H, W)
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    train, held_out = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=bunch.target, random_state=SPLIT_SEED)
    parts = (images[train], labels[train], images[held_out], labels[held_out])
    return DataSet(
        name="digits",
        images=parts[0],
        labels=parts[1],
        held_out_images=parts[2],
        held_out_labels=parts[3],
        class_names=tuple(str(name) for name in bunch.target_names),
        fingerprint=compute_fingerprint(parts),
    )


def _resize(picture: np.ndarray[Any, Any], image_size: int) -> np.ndarray[Any, Any]:
    """float (h, w) in 0..1 -> uint8 (image_size, image_size)."""
    resized = Image.fromarray(picture.astype(np.float32)).resize((image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(np.rint(np.clip(np.asarray(resized), 0, 1) * 255), np.uint8)


class Digits:
    """See `Source`. Square and inside the package, so neither fit nor cache concern it."""

    name = "digits"

    def content(self) -> str:
        return "digits"

    def read(self, request: DataRequest, report: ProgressCallback) -> Collection:
        data = digits(request.image_size)
        assert data.labels is not None
        assert data.held_out_labels is not None
        images = torch.cat([data.images, data.held_out_images]).permute(0, 2, 3, 1).numpy()
        return Collection(
            images=with_channels(images, request),
            labels=torch.cat([data.labels, data.held_out_labels]).numpy(),
            class_names=data.class_names,
            tests=len(data.held_out_images),
        )
