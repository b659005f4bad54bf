"""The Fréchet inception distance, for who has the weights: the one number that may be called FID.

The file is the TorchScript program `inception-2015-12-05.pt` that StyleGAN's authors publish, or one with its face:

    model(images uint8 (N, 3, H, W), return_features=True) -> float32 (N, 2048)

It is a program, so it is loaded only where a person names it, and its digest stands beside every number.
"""

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gansample.bundle.open import read_file
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError
from train.scores.metrics import Features, Gaussian, frechet_distance

_PART = 64
_HINT = "--inception-weights takes inception-2015-12-05.pt"


class Inception:
    """The network of one file. Raises ArtefactError where that is missing, no TorchScript, or answers with no features."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ArtefactError(f"{path} is missing", _HINT)
        data = read_file(path)
        self.path, self.sha256 = path, digest(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is deprecated; this file is not gone
                self._model: Any = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()  # type: ignore[no-untyped-call]
        except Exception as error:  # the loader raises RuntimeError for damage, and more
            raise self._refused("cannot be loaded as TorchScript", error) from error

    def features(self, images: Tensor) -> Features:
        """float64 (N, d) of uint8 pictures (N, C, H, W); grey ones are repeated to three channels."""
        colour = images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)
        try:
            with torch.no_grad():
                parts = [self._model(part, return_features=True) for part in torch.split(colour, _PART)]
            return torch.cat(parts).double().flatten(1).numpy()
        except Exception as error:  # a program may fail in any way
            raise self._refused("does not answer model(images, return_features=True) with features (N, d)", error) from error

    def distance(self, images: Tensor, real: Tensor) -> dict[str, Any]:
        """FID between pictures and the real training split, both uint8 (N, C, H, W), and all that has to stand beside it."""
        value = frechet_distance(self.features(images), Gaussian.fit(self.features(real)))
        return {
            "value": round(value, 4),
            "images": len(images),
            "real_images": len(real),
            "weights_sha256": self.sha256,
        }

    def _refused(self, what: str, error: Exception) -> ArtefactError:
        reason = (" ".join(str(error).split()) or type(error).__name__)[:120]
        return ArtefactError(f"{self.path} {what} ({reason})", _HINT)
