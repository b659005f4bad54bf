"""The training loop of the PyTorch DCGAN tutorial, written here anew.

Feature maps as NCHW, D run on real and on generated pictures apart and a third time for G, one Adam for each.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.dcgan64 import Generator


class TutorialLoop:
    """A 64×64 generator of width 64, its mirror image, and a step of both on random rows of `images` (N, 3, 64, 64) uint8.

    bf16      the networks in autocast; the loss stays float32.
    compiled  both networks by torch.compile.
    """

    def __init__(self, images: Tensor, batch: int, *, bf16: bool = False, compiled: bool = False) -> None:
        torch.manual_seed(0)
        self._images, self._batch, self._bf16, self.device = images, batch, bf16, images.device
        generator, discriminator = Generator().to(self.device), _discriminator().to(self.device)
        for layer in [*generator.modules(), *discriminator.modules()]:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)
        on_gpu = self.device.type == "cuda"  # whose steps may be recorded as a CUDA graph, which `capturable` allows
        self._adam_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999), capturable=on_gpu)
        self._adam_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999), capturable=on_gpu)
        self._generator = torch.compile(generator) if compiled else generator
        self._discriminator = torch.compile(discriminator) if compiled else discriminator
        self._judge = nn.BCELoss()
        self._ones, self._zeros = torch.ones(batch, device=self.device), torch.zeros(batch, device=self.device)

    def step(self) -> tuple[Tensor, Tensor]:
        """The losses of D and of G, still on the device."""
        device = self.device
        real = self._images[torch.randint(len(self._images), (self._batch,), device=device)].float() / 127.5 - 1
        self._adam_d.zero_grad()
        loss_real = self._judge(self._believed(real), self._ones)
        loss_real.backward()
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            fake = self._generator(torch.randn(self._batch, 100, device=device))
        loss_fake = self._judge(self._believed(fake.detach()), self._zeros)
        loss_fake.backward()
        self._adam_d.step()
        self._adam_g.zero_grad()
        loss_g = self._judge(self._believed(fake), self._ones)
        loss_g.backward()
        self._adam_g.step()
        return (loss_real + loss_fake).detach(), loss_g.detach()

    def _believed(self, pictures: Tensor) -> Tensor:
        """D's answers in 0..1, float32 (batch,)."""
        with torch.autocast(pictures.device.type, torch.bfloat16, enabled=self._bf16):
            answers: Tensor = self._discriminator(pictures)
        return answers.view(-1).float()


def _discriminator() -> nn.Module:
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise([3, 64, 128, 256, 512])):
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(outputs)] if index else []
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 4, bias=False), nn.Sigmoid())
