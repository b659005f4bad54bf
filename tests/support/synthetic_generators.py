"""Small generators of every shape that strangers bring, made on the fly: the classes, and how each must be found.

The tests also pass this file as `--generator tests/support/synthetic_generators.py:Class`, so it imports nothing of ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, one_hot
from torch.nn.utils import parametrizations, spectral_norm


def up(a: int, b: int, norm: bool = True) -> list[nn.Module]:
    return [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=not norm), *([nn.BatchNorm2d(b)] if norm else []), nn.ReLU(True)]


class Dcgan(nn.Module):
    """As the PyTorch tutorial writes it, 32 px."""

    def __init__(self, ngpu, nz, ngf=64, nc=3):
        super().__init__()
        self.ngpu = ngpu
        first = [nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False), nn.BatchNorm2d(ngf * 4), nn.ReLU(True)]
        last = [nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*first, *up(ngf * 4, ngf * 2), *up(ngf * 2, ngf), *last)

    def forward(self, input):
        return self.main(input)


class Dcgan64(nn.Module):
    def __init__(self, z_dim=100, features_g=64, channels_img=3):
        super().__init__()
        first = [nn.ConvTranspose2d(z_dim, features_g * 8, 4, 1, 0), nn.BatchNorm2d(features_g * 8), nn.ReLU()]
        blocks = [*up(features_g * 8, features_g * 4), *up(features_g * 4, features_g * 2), *up(features_g * 2, features_g)]
        self.net = nn.Sequential(*first, *blocks, nn.ConvTranspose2d(features_g, channels_img, 4, 2, 1), nn.Tanh())

    def forward(self, x):
        return self.net(x)


class OddKernels(nn.Module):
    """Kernel 3 with output padding, kernel 5, kernel 2: 7 -> 14 -> 28 -> 56."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(20, 16 * 49)
        self.a = nn.ConvTranspose2d(16, 12, 3, 2, 1, output_padding=1)
        self.b = nn.ConvTranspose2d(12, 8, 5, 2, 2, output_padding=1)
        self.c = nn.ConvTranspose2d(8, 3, 2, 2)

    def forward(self, z):
        return torch.tanh(self.c(torch.relu(self.b(torch.relu(self.a(self.fc(z).view(-1, 16, 7, 7)))))))


class Upsampler(nn.Module):
    """PyTorch-GAN's DCGAN: Linear, Upsample, Conv, BatchNorm with eps 0.8."""

    def __init__(self, latent_dim, channels=1, img_size=32):
        super().__init__()
        self.init_size = img_size // 4
        self.l1 = nn.Sequential(nn.Linear(latent_dim, 32 * self.init_size**2))
        head = [nn.BatchNorm2d(32), nn.Upsample(scale_factor=2), nn.Conv2d(32, 32, 3, 1, 1), nn.BatchNorm2d(32, 0.8)]
        tail = [nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, 1, 1), nn.BatchNorm2d(16, 0.8)]
        self.conv_blocks = nn.Sequential(*head, *tail, nn.LeakyReLU(0.2), nn.Conv2d(16, channels, 3, 1, 1), nn.Tanh())

    def forward(self, z):
        return self.conv_blocks(self.l1(z).view(z.shape[0], 32, self.init_size, self.init_size))


class Interpolator(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.a, self.b = nn.Linear(12, 256), nn.Conv2d(16, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z):
        x = interpolate(self.fc(z).view(-1, 16, 4, 4), scale_factor=2, mode="bilinear", align_corners=False)
        return torch.tanh(self.b(interpolate(torch.relu(self.a(x)), size=(24, 24), mode="nearest")))


class Shuffler(nn.Module):
    def __init__(self, nz=16):
        super().__init__()
        self.fc = nn.Linear(nz, 16 * 64)
        self.body = nn.Sequential(
            nn.Conv2d(16, 32, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU(), nn.Conv2d(8, 12, 3, 1, 1), nn.PixelShuffle(2)
        )

    def forward(self, z):
        return torch.tanh(self.body(self.fc(z).view(-1, 16, 8, 8)))


class Mlp(nn.Module):
    """Flat pictures (N, 784)."""

    def __init__(self, latent_dim=100, img_shape=(1, 28, 28)):
        super().__init__()
        self.img_shape = img_shape
        hidden = [nn.Linear(latent_dim, 64), nn.BatchNorm1d(64, 0.8), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*hidden, nn.Linear(64, img_shape[0] * img_shape[1] * img_shape[2]), nn.Tanh())

    def forward(self, z):
        return self.model(z)


class FlatRgb(nn.Module):
    """Flat pictures whose channels come last: smooth ones, so that the right reading shows."""

    def __init__(self):
        super().__init__()
        self.fc, self.c = nn.Linear(8, 64), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, z):
        x = interpolate(self.fc(z).view(-1, 4, 4, 4), scale_factor=5, mode="bilinear")
        return torch.tanh(3 * self.c(x)).permute(0, 2, 3, 1).reshape(z.shape[0], -1)


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.body = nn.Linear(10, 16 * 16), nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.body(self.fc(z).view(-1, 16, 4, 4)).permute(0, 2, 3, 1)


class NoChannel(nn.Module):
    """(N, H, W)"""

    def __init__(self):
        super().__init__()
        self.fc, self.body = nn.Linear(10, 16 * 16), nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.body(self.fc(z).view(-1, 16, 4, 4))[:, 0]


class Rgba(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(14, 16, 4), nn.ReLU(), *up(16, 8), nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, z):
        return self.body(z[:, :, None, None])


class Bytes(nn.Module):
    """Pictures in 0..255."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(14, 16, 4), nn.ReLU(), *up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Sigmoid()
        )

    def forward(self, z):
        return 255 * self.body(z)


class Unbounded(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.ConvTranspose2d(14, 16, 4), nn.ReLU(), *up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1))

    def forward(self, z):
        return 4 * self.body(z)


class SpatialLatent(nn.Module):
    """Takes (N, 8, 4, 4)."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, 1, 1), *up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        if z.shape[-2:] != (4, 4):
            raise ValueError(f"expected 4×4 latents, got {tuple(z.shape)}")
        return self.body(z)


class Norms(nn.Module):
    """LayerNorm, GroupNorm, InstanceNorm with statistics of the picture, PReLU, GELU."""

    def __init__(self):
        super().__init__()
        self.fc, self.norm = nn.Linear(16, 16 * 16), nn.LayerNorm(256)
        mid = [nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.InstanceNorm2d(8, affine=True), nn.PReLU(8)]
        self.body = nn.Sequential(*mid, nn.GroupNorm(2, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.body(nn.functional.gelu(self.norm(self.fc(z))).view(-1, 16, 4, 4))


class SeluDropout(nn.Module):
    """No norm at all; Dropout is nothing in eval mode."""

    def __init__(self, dropout=0.3):
        super().__init__()
        first = [nn.Linear(16, 256), nn.SELU(), nn.Dropout(dropout), nn.Unflatten(1, (16, 4, 4))]
        self.body = nn.Sequential(*first, *up(16, 8, norm=False), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid())

    def forward(self, z):
        return self.body(z)


class LabelEmbedding(nn.Module):
    """Conditional by integer label."""

    def __init__(self, n_classes, latent_dim, embed=6):
        super().__init__()
        self.label_emb = nn.Embedding(n_classes, embed)
        self.fc = nn.Linear(latent_dim + embed, 16 * 16)
        self.body = nn.Sequential(nn.BatchNorm2d(16), *up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())

    def forward(self, noise, labels):
        return self.body(self.fc(torch.cat([self.label_emb(labels), noise], -1)).view(-1, 16, 4, 4))


class LabelTimes(nn.Module):
    """ACGAN: the embedded label multiplies the latent."""

    def __init__(self):
        super().__init__()
        self.emb, self.fc = nn.Embedding(5, 12), nn.Linear(12, 16 * 16)
        self.body = nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z, y):
        return self.body(self.fc(self.emb(y) * z).view(-1, 16, 4, 4))


class LabelOneHot(nn.Module):
    """Conditional by a one-hot vector beside the latent."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(20 + 4, 16 * 16)
        self.body = nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z, onehot):
        return self.body(self.fc(torch.cat((z, onehot), 1)).view(-1, 16, 4, 4))


class LabelPlanes(nn.Module):
    """Conditional by a one-hot (N, K, 1, 1)."""

    def __init__(self):
        super().__init__()
        self.za, self.ya = nn.ConvTranspose2d(20, 12, 4), nn.ConvTranspose2d(4, 4, 4)
        self.body = nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z, label):
        return self.body(torch.cat((self.za(z), self.ya(label)), 1))


class LabelJoined(nn.Module):
    """One input: latent and one-hot label already concatenated."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(20 + 4, 16, 4), nn.ReLU(), *up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh()
        )

    def forward(self, z):
        return self.body(z)


class ConditionalNorm(nn.Module):
    """BatchNorm whose scale and shift come from the class (SNGAN, BigGAN)."""

    def __init__(self, num_classes=6):
        super().__init__()
        self.num_classes = num_classes
        self.fc, self.bn, self.gain = nn.Linear(16, 256), nn.BatchNorm2d(16, affine=False), nn.Embedding(num_classes, 32)
        self.body = nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z, y):
        gain, shift = self.gain(y)[:, :, None, None].chunk(2, 1)
        return self.body(self.bn(self.fc(z).view(-1, 16, 4, 4)) * (1 + gain) + shift)


class Spectral(nn.Module):
    """spectral_norm as a parametrisation."""

    def __init__(self):
        super().__init__()
        self.fc = parametrizations.spectral_norm(nn.Linear(16, 256))
        self.c = parametrizations.spectral_norm(nn.ConvTranspose2d(16, 8, 4, 2, 1))
        self.d = parametrizations.weight_norm(nn.ConvTranspose2d(8, 3, 4, 2, 1))

    def forward(self, z):
        return torch.tanh(8 * self.d(torch.relu(4 * self.c(self.fc(z).view(-1, 16, 4, 4)))))


class SpectralHook(nn.Module):
    """spectral_norm as the older hook: weight_orig, weight_u, weight_v."""

    def __init__(self):
        super().__init__()
        self.fc, self.c = spectral_norm(nn.Linear(16, 256)), spectral_norm(nn.ConvTranspose2d(16, 8, 4, 2, 1))
        self.d = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, z):
        return torch.tanh(8 * self.d(torch.relu(4 * self.c(self.fc(z).view(-1, 16, 4, 4)))))


class Residual(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        self.fc = nn.Linear(16, ch * 16)
        self.blocks = nn.ModuleList([ResidualBlock(ch), ResidualBlock(ch)])
        self.out = nn.Conv2d(ch, 3, 3, padding=1)

    def forward(self, z):
        x = self.fc(z).view(z.size(0), -1, 4, 4)
        for block in self.blocks:
            x = block(x)
        return self.out(torch.relu(x)).tanh()


class ResidualBlock(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.norm, self.a, self.b = nn.BatchNorm2d(ch), nn.Conv2d(ch, ch, 3, padding=1), nn.Conv2d(ch, ch, 1)

    def forward(self, x):
        return interpolate(self.b(x), scale_factor=2) + self.a(interpolate(torch.relu(self.norm(x)), scale_factor=2))


class Attention(nn.Module):
    """Self-attention at 8 px (SAGAN)."""

    def __init__(self):
        super().__init__()
        self.fc, self.q, self.k, self.v = nn.Linear(16, 16 * 64), nn.Conv2d(16, 2, 1), nn.Conv2d(16, 2, 1), nn.Conv2d(16, 16, 1)
        self.gamma = nn.Parameter(torch.tensor([0.5]))
        self.body = nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        x = self.fc(z).view(-1, 16, 8, 8)
        b, c, h, w = x.shape
        weights = torch.softmax(self.q(x).view(b, -1, h * w).transpose(1, 2) @ self.k(x).view(b, -1, h * w), -1)
        return self.body(x + self.gamma * (self.v(x).view(b, c, h * w) @ weights.transpose(1, 2)).view(b, c, h, w))


class FixedBatch(nn.Module):
    """Its batch size is written into its code."""

    def __init__(self):
        super().__init__()
        self.fc, self.body = nn.Linear(10, 16 * 16), nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        x = self.fc(z).view(16, 16, 4, 4)
        return self.body(x + torch.ones(16, 1, 1, 1))


class Squeezer(nn.Module):
    """`.squeeze()` inside and at the end: a batch of one fails, and a grey channel is lost."""

    def __init__(self):
        super().__init__()
        self.fc, self.body = nn.Linear(10, 16 * 16), nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())
        self.norm = nn.BatchNorm1d(10)

    def forward(self, z):
        return self.body(self.fc(self.norm(z.squeeze())).view(-1, 16, 4, 4)).squeeze()


class Several(nn.Module):
    """Returns features beside the picture."""

    def __init__(self):
        super().__init__()
        self.fc, self.body = nn.Linear(10, 16 * 16), nn.Sequential(*up(16, 8), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        features = self.fc(z)
        return {"features": features, "image": self.body(features.view(-1, 16, 4, 4))}


@dataclass(frozen=True)
class Case:
    """A generator and what must be found out about it."""

    make: Callable[[], nn.Module]
    image: tuple[int, int, int]
    latent: int
    value_range: str = "tanh"
    classes: int | None = None
    label: str = "none"
    layout: str = "CHW"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def class_name(self) -> str:
        return type(self.make()).__name__


CASES: dict[str, Case] = {
    "dcgan32": Case(lambda: Dcgan(0, 24, 8, 1), (1, 32, 32), 24),
    "dcgan64": Case(lambda: Dcgan64(20, 4), (3, 64, 64), 20),
    "odd-kernels": Case(OddKernels, (3, 56, 56), 20),
    "upsample-eps": Case(lambda: Upsampler(32, 1, 28), (1, 28, 28), 32),
    "interpolate": Case(Interpolator, (3, 24, 24), 12),
    "pixelshuffle-prelu": Case(Shuffler, (3, 32, 32), 16),
    "mlp-flat": Case(lambda: Mlp(30), (1, 28, 28), 30, layout="flat CHW"),
    "flat-rgb-last": Case(FlatRgb, (3, 20, 20), 8, layout="flat HWC"),
    "channels-last": Case(ChannelsLast, (3, 16, 16), 10, layout="HWC"),
    "no-channel": Case(NoChannel, (1, 16, 16), 10, layout="HW"),
    "rgba-sigmoid": Case(Rgba, (4, 16, 16), 14, "sigmoid"),
    "bytes": Case(Bytes, (3, 16, 16), 14, "bytes"),
    "unbounded": Case(Unbounded, (3, 16, 16), 14),
    "spatial-latent": Case(SpatialLatent, (3, 16, 16), 128),
    "norms": Case(Norms, (3, 16, 16), 16),
    "selu-dropout": Case(SeluDropout, (1, 16, 16), 16, "sigmoid"),
    "label-embedding": Case(lambda: LabelEmbedding(7, 20), (1, 16, 16), 20, classes=7, label="index"),
    "label-times": Case(LabelTimes, (1, 16, 16), 12, classes=5, label="index"),
    "label-onehot": Case(LabelOneHot, (3, 16, 16), 20, classes=4, label="onehot", options={"classes": 4}),
    "label-planes": Case(LabelPlanes, (3, 16, 16), 20, classes=4, label="onehot planes", options={"classes": 4}),
    "label-joined": Case(LabelJoined, (1, 16, 16), 20, classes=4, label="joined onehot", options={"classes": 4}),
    "conditional-norm": Case(ConditionalNorm, (3, 16, 16), 16, classes=6, label="index"),
    "spectral": Case(Spectral, (3, 16, 16), 16),
    "spectral-hook": Case(SpectralHook, (3, 16, 16), 16),
    "residual": Case(Residual, (3, 16, 16), 16),
    "attention": Case(Attention, (3, 32, 32), 16),
    "fixed-batch": Case(FixedBatch, (1, 16, 16), 10),
    "squeezer": Case(Squeezer, (1, 16, 16), 10, layout="HW"),
    "several-outputs": Case(Several, (1, 16, 16), 10),
}


def trained(make: Callable[[], nn.Module], call: Callable[[nn.Module], Tensor] | None = None, steps: int = 30) -> nn.Module:
    """A module with fixed random weights whose BatchNorm statistics fit them, as after training; in eval mode.

    call  draws one batch; without it, normal latents of the first layer's width.
    """
    torch.manual_seed(0)
    module = make().train()
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=(2.0 / max(parameter[0].numel(), 16)) ** 0.5)
    if call is not None:
        with torch.no_grad():
            for _ in range(steps):
                call(module)
    return module.eval()


def example(case: Case, n: int) -> tuple[Tensor, ...]:
    """A batch of inputs as the case's own class wants them."""
    first = {
        "dcgan32": (24, 1, 1),
        "dcgan64": (20, 1, 1),
        "bytes": (14, 1, 1),
        "unbounded": (14, 1, 1),
        "spatial-latent": (8, 4, 4),
    }
    first |= {"label-planes": (20, 1, 1), "label-joined": (24, 1, 1), "squeezer": (10, 1, 1)}
    name = next(name for name, other in CASES.items() if other is case)
    z = torch.randn(16 if name == "fixed-batch" else n, *first.get(name, (case.latent,)))
    label = torch.arange(len(z)) % (case.classes or 1)
    match case.label:
        case "joined onehot":
            z[:, case.latent :] = one_hot(label, case.classes)[:, :, None, None]
        case "index":
            return z, label
        case "onehot" | "onehot planes":
            hot = one_hot(label, case.classes).float()
            return z, hot if case.label == "onehot" else hot[:, :, None, None]
    return (z,)


def trained_case(name: str) -> nn.Module:
    """The case's generator as after training."""
    case = CASES[name]
    return trained(case.make, lambda module: module(*example(case, 32)))
