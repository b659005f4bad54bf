"""FastGAN's generator: gated linear units, noise, and small feature maps that gate the channels of large ones.

B. Liu, Y. Zhu, K. Song and A. Elgammal, *Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image
Synthesis*, ICLR 2021 (arXiv:2101.04775), section 3.1 and appendix. The files hold weights before spectral normalisation, with
its vectors.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from export.importers.call_signature import CallSignature
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from export.importers.families.noise import Noise
from export.importers.families.spectral_norm import folded

SIDES = (8, 16, 32, 64, 128, 256, 512, 1024)
GATED_BY = {64: 4, 128: 8, 256: 16, 512: 32}  # side of a feature map -> side of that which gates its channels
ENDS_IN_TANH = 1024  # pixels: smaller generators end in their last convolution


def convolution(tensors: Tensors, path: str, padding: int) -> nn.Conv2d:
    out, width, side, _ = tensors[f"{path}.weight"].shape
    return nn.Conv2d(width, out, side, padding=padding, bias=False)


class First(nn.Module):
    """z (N, nz) -> (N, C, 4, 4)"""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        nz, wide = weight.shape[:2]
        self.init = nn.Sequential(nn.ConvTranspose2d(nz, wide, 4, bias=False), nn.BatchNorm2d(wide), nn.GLU(1))

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.init(z[:, :, None, None])
        return out


def enlarged(tensors: Tensors, at: str) -> nn.Sequential:
    """×2, then one convolution with BatchNorm and GLU, or two of them with noise in between, by what the file has."""
    twice = f"{at}.5.weight" in tensors
    layers: list[nn.Module] = [nn.Upsample(scale_factor=2)]
    for i in (1, 5) if twice else (1,):
        layer = convolution(tensors, f"{at}.{i}", padding=1)
        layers += [layer, *([Noise()] if twice else []), nn.BatchNorm2d(layer.out_channels), nn.GLU(1)]
    return nn.Sequential(*layers)


class Gate(nn.Module):
    """large · sigmoid(W2 · swish(W1 * pooled(small))): a small feature map scales the channels of a large one."""

    def __init__(self, tensors: Tensors, at: str, small: int) -> None:
        super().__init__()
        self.cell = small // 4
        first, second = convolution(tensors, f"{at}.main.1", padding=0), convolution(tensors, f"{at}.main.3", padding=0)
        self.main = nn.Sequential(nn.Identity(), first, nn.SiLU(), second, nn.Sigmoid())

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        out: Tensor = large * self.main(avg_pool2d(small, self.cell))
        return out


class Generator(nn.Module):
    """z (N, nz) -> the larger of its two pictures (N, 3, side, side), around −1..1."""

    def __init__(self, tensors: Tensors, side: int) -> None:
        super().__init__()
        self.side, self.init = side, First(tensors["init.init.0.weight"])
        for each in SIDES[: SIDES.index(side) + 1]:
            setattr(self, f"feat_{each}", enlarged(tensors, f"feat_{each}"))
            if each in GATED_BY:
                setattr(self, f"se_{each}", Gate(tensors, f"se_{each}", GATED_BY[each]))
        self.to_128, self.to_big = convolution(tensors, "to_128", 0), convolution(tensors, "to_big", 1)

    def forward(self, z: Tensor) -> Tensor:
        features = {4: self.init(z)}
        for before, each in pairwise((4, *SIDES[: SIDES.index(self.side) + 1])):
            features[each] = getattr(self, f"feat_{each}")(features[before])
            if each in GATED_BY:
                features[each] = getattr(self, f"se_{each}")(features[GATED_BY[each]], features[each])
        picture: Tensor = self.to_big(features[self.side])
        return torch.tanh(picture) if self.side >= ENDS_IN_TANH else picture


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    own = folded(tensors, transposed=lambda path: path == "init.init.0")
    if not {"init.init.0.weight", "feat_8.1.weight", "se_64.main.1.weight", "to_big.weight"} <= own.keys():
        return None
    side = max((each for each in SIDES if f"feat_{each}.1.weight" in own), default=8)
    if side < 256:
        return None
    return Reading(
        build=lambda: Generator(own, side),
        tensors=own,
        signature=CallSignature(
            latent=(own["init.init.0.weight"].shape[0],), image=(own["to_big.weight"].shape[0], side, side)
        ),
        value_range="tanh",
        stated=(
            Stated(name="activations", value="GLU behind BatchNorm, swish and sigmoid in the gates"),
            Stated(name="last activation", value="tanh" if side >= ENDS_IN_TANH else "none"),
            Stated(name="BatchNorm", value="by its running statistics"),
        ),
    )


FAMILY = Family(name="FastGAN generator", source="Liu et al. 2021 (arXiv:2101.04775)", read=read)
