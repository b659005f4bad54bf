"""The embedded digits as a source like every other."""

import torch

from train.data.channels import with_channels
from train.data.collection import Collection, Report
from train.data.digits import digits
from train.data.request import DataRequest


class Digits:
    """See `Source`. Square and inside the package, so neither fit nor cache concern it."""

    name = "digits"

    def content(self) -> str:
        return "digits"

    def read(self, request: DataRequest, report: Report) -> Collection:
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
