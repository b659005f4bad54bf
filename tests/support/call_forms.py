"""Generators that are called, or answer, in ways of their own: the classes, written as strangers write them.

The tests also pass this file as `--generator tests/support/call_forms.py:Class`, so it imports nothing of ours.
"""

import argparse
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Body(nn.Module):
    """(N, width) -> 16×16 pictures."""

    def __init__(self, width: int, channels: int = 1) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 8 * 16)
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, channels, 4, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.up(self.fc(x).view(-1, 8, 4, 4)))


class Shared(nn.Module):
    """BigGAN: forward takes the class as the table `shared` embeds it."""

    def __init__(self) -> None:
        super().__init__()
        self.n_classes, self.shared, self.body = 6, nn.Embedding(6, 5), Body(12)
        self.gain = nn.Linear(5, 12)

    def forward(self, z, y):
        return self.body(z * (1 + self.gain(y)))


class SharedLinear(nn.Module):
    """The table is a matrix that takes the class one-hot."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.body, self.gain = nn.Linear(7, 5, bias=False), Body(12), nn.Linear(5, 12)

    def forward(self, z, class_vector):
        return self.body(z * (1 + self.gain(class_vector)))


class NoClasses(nn.Module):
    """StyleGAN with c_dim = 0."""

    def __init__(self, z_dim=12, c_dim=0) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.body = z_dim, c_dim, Body(12)
        self.embed = nn.Linear(c_dim, 12) if c_dim > 0 else None

    def forward(self, z, c, truncation_psi=1.0):
        return self.body(z + self.embed(c) if self.c_dim > 0 else z)


class DeadLabel(nn.Module):
    """A table that a gate of zero silences."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.body, self.gate = nn.Embedding(4, 12), Body(12), nn.Parameter(torch.zeros(1))

    def forward(self, z, label):
        return self.body(z + self.gate * self.table(label))


class JoinedOneHot(nn.Module):
    """z and a one-hot class in one layer: 24 = 20 + 4, and nothing says so."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(24)

    def forward(self, z, y):
        return self.body(torch.cat([z, y], 1))


class JoinedOneHotNamed(JoinedOneHot):
    def __init__(self) -> None:
        super().__init__()
        self.opt = argparse.Namespace(n_classes=4)


class OneHotInside(nn.Module):
    """The label becomes float32 whatever the network computes in."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(12 + 6)

    def forward(self, z, y):
        return self.body(torch.cat([z, F.one_hot(y, 6).float()], 1))


class LabelFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.body = nn.Embedding(5, 6), Body(18)

    def forward(self, labels, noise):
        return self.body(torch.cat([noise, self.table(labels)], 1))


class Positions(nn.Module):
    """A table of positions, not of classes, and a number that is no label."""

    def __init__(self) -> None:
        super().__init__()
        self.latent_dim = 12
        self.positions, self.body = nn.Embedding(12, 1), Body(12)

    def forward(self, z, truncation=1.0):
        return self.body(z * truncation + self.positions(torch.arange(12)).view(1, 12))


class NullClass(nn.Module):
    """Guidance without a classifier: one row more than there are classes."""

    def __init__(self, num_classes=5) -> None:
        super().__init__()
        self.num_classes, self.table, self.body = num_classes, nn.Embedding(num_classes + 1, 6), Body(18)

    def forward(self, z, y=None):
        y = torch.full((len(z),), self.num_classes) if y is None else y
        return self.body(torch.cat([z, self.table(y)], 1))


class LabelAsNumber(nn.Module):
    """The class as a number beside the latent."""

    def __init__(self) -> None:
        super().__init__()
        self.n_classes, self.body = 3, Body(13)

    def forward(self, z, label):
        return self.body(torch.cat([z, label.to(z.dtype).unsqueeze(1)], 1))


class Vae(nn.Module):
    """forward is an autoencoder's."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.mu, self.logvar = nn.Linear(256, 32), nn.Linear(32, 6), nn.Linear(32, 6)
        self.fc3, self.fc4 = nn.Linear(6, 32), nn.Linear(32, 256)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.mu(h), self.logvar(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 256))
        return self.decode(mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)), mu, logvar


class Autoencoder(nn.Module):
    """No method that draws: its part `decoder` does."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 4, 4), nn.Flatten(), nn.Linear(64, 6))
        self.decoder = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (4, 4, 4)), nn.ConvTranspose2d(4, 1, 4, 4), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Pyramid(nn.Module):
    """MSG-GAN: a picture of every size, the smallest first."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(12, 8)
        self.small, self.large = nn.Conv2d(8, 3, 1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z):
        x = self.body(z)
        return [torch.tanh(self.small(x)), torch.tanh(self.large(F.interpolate(x, scale_factor=2)))]


Output = namedtuple("Output", ["features", "pictures"])


class Named(nn.Module):
    """Features with more dimensions than the flat picture beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last = Body(12, 8), nn.Linear(8, 256)

    def forward(self, z):
        features = self.body(z)
        return Output(features, torch.tanh(self.last(features.mean((2, 3)))))


@dataclass
class ModelOutput:
    sample: Tensor
    loss: Any = None


class Dataclass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = Body(12)

    def forward(self, z):
        return ModelOutput(self.body(z))


class Constant(nn.Module):
    """StyleGAN's learnt constant, repeated for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.const, self.style = nn.Parameter(torch.randn(1, 8, 4, 4)), nn.Linear(12, 8)
        self.offset = nn.Parameter(torch.randn(1, 8, 1, 1))
        self.up = nn.ConvTranspose2d(8, 3, 4, 4)

    def forward(self, z):
        x = self.const.expand(len(z), -1, -1, -1) * self.style(z)[:, :, None, None]
        return torch.tanh(self.up(x + self.offset.repeat(z.shape[0], 1, 4, 4)))


class Recurrent(nn.Module):
    """The batch size is written into a state that forward makes."""

    def __init__(self, batch_size=8) -> None:
        super().__init__()
        self.batch_size, self.cell, self.body = batch_size, nn.Linear(12 + 4, 4), Body(4)

    def forward(self, z):
        state = torch.zeros(self.batch_size, 4)
        for _ in range(2):
            state = torch.tanh(self.cell(torch.cat([z, state], 1)))
        return self.body(4 * state)


class Squeezed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.body = nn.Linear(12, 12), Body(12)

    def forward(self, z):
        x = self.first(z.view(len(z), 12, 1, 1).squeeze())
        return self.body(x.reshape(z.size(0), -1))


class Styles(nn.Module):
    """rosinality's StyleGAN2: a list of latents in, a pair out."""

    def __init__(self) -> None:
        super().__init__()
        self.style_dim, self.style, self.body = 12, nn.Linear(12, 12), Body(12)

    def forward(self, styles, return_latents=False):
        styles = [self.style(s) for s in styles]
        if len(styles) > 1:
            raise ValueError("one latent a picture")
        return self.body(styles[0]), None


class Unused(nn.Module):
    """A head that forward never runs, and a table two of whose classes are one."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.body, self.head = nn.Embedding(4, 12), Body(12), nn.Linear(12, 3)

    def forward(self, z, label):
        return self.body(z + self.table(label.clamp(max=2)) + 0 * self.table(label))


class FlatOfTwoShapes(nn.Module):
    """4096 values: 1×64×64 or 4×32×32."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 4096)

    def forward(self, z):
        return torch.tanh(self.fc(z))


class FlatTold(FlatOfTwoShapes):
    def __init__(self) -> None:
        super().__init__()
        self.img_shape = (4, 32, 32)
