"""The two players have the shapes and ranges they promise, whatever the size, kernel and stride."""

from typing import Any

import pytest
import torch
from torch import nn

from train.model.networks import Discriminator, Generator


@pytest.mark.parametrize(
    ("image_size", "kernel", "stride", "channels"),
    [(8, 2, 2, 1), (28, 4, 2, 1), (16, 4, 2, 3), (32, 6, 2, 1), (64, 4, 2, 3), (36, 3, 3, 1), (64, 8, 4, 1)],
)
def test_players_mirror_each_other(image_size: int, kernel: int, stride: int, channels: int) -> None:
    shared: dict[str, Any] = {"image_size": image_size, "channels": channels, "width": 4, "kernel": kernel, "stride": stride}
    images = Generator(latent_size=5, **shared)(torch.randn(3, 5))
    assert images.shape == (3, channels, image_size, image_size)
    for norm, downsample in [("spectral", "stride"), ("batch", "pool"), ("none", "stride")]:
        logits = Discriminator(**shared, norm=norm, downsample=downsample)(images)  # type: ignore[arg-type]
        assert logits.shape == (3,)


@pytest.mark.parametrize(("output", "low"), [("tanh", -1.0), ("sigmoid", 0.0)])
def test_pictures_fill_their_range_and_never_leave_it(output: Any, low: float) -> None:
    generator = Generator(latent_size=5, image_size=8, channels=1, width=4, output=output)
    for weight in generator.parameters():
        nn.init.normal_(weight, 0, 2.0)
    images = generator(torch.randn(256, 5))
    assert images.min() >= low
    assert images.max() <= 1.0
    assert images.min() < low + 0.05
    assert images.max() > 0.95


def coverage_of_pixels(kernel: int, stride: int) -> torch.Tensor:
    """How many weights of a deconvolution meet in each inner pixel, when every weight is one."""
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, bias=False)
    nn.init.ones_(layer.weight)
    hits = layer(torch.ones(1, 1, 16)).detach().flatten()
    return hits[kernel:-kernel]


@pytest.mark.parametrize(("kernel", "stride", "even"), [(4, 2, True), (6, 3, True), (2, 2, True), (3, 2, False), (5, 2, False)])
def test_a_kernel_divisible_by_its_stride_hits_every_pixel_equally(kernel: int, stride: int, even: bool) -> None:
    """The reason for the rule, shown on the layer itself: otherwise neighbours are hit unequally, a checkerboard."""
    assert (coverage_of_pixels(kernel, stride).unique().numel() == 1) is even


def test_spectral_norm_bounds_the_discriminator() -> None:
    """With every layer's largest singular value at 1, D changes by no more than its picture does."""
    torch.manual_seed(0)
    d = Discriminator(image_size=16, channels=1, width=8)
    images = torch.randn(64, 1, 16, 16)
    for _ in range(50):  # the power iteration that training does, one round a forward pass
        d(images)
    d.eval()
    other = images + 0.1 * torch.randn_like(images)
    slope = (d(other) - d(images)).abs() / (other - images).flatten(1).norm(dim=1)
    # A convolution's operator norm exceeds that of its flattened kernel by at most the overlap, kernel / stride, per layer.
    assert slope.max() <= 2.0**2
    raw = Discriminator(image_size=16, channels=1, width=8, norm="none")
    assert not any("original" in name for name, _ in raw.named_parameters())


def test_a_class_changes_the_picture_and_what_d_makes_of_it() -> None:
    shared: dict[str, Any] = {"image_size": 16, "channels": 1, "width": 4, "classes": 3}
    torch.manual_seed(0)
    generator, discriminator = Generator(latent_size=5, class_embedding=6, **shared).eval(), Discriminator(**shared).eval()
    z = torch.randn(1, 5).repeat(3, 1)
    pictures = generator(z, torch.arange(3))
    assert not torch.allclose(pictures[0], pictures[1])
    logits = discriminator(pictures[:1].repeat(3, 1, 1, 1), torch.arange(3))
    assert logits.shape == (3,)
    assert logits.unique().numel() == 3


def test_the_projection_is_the_inner_product_of_the_paper() -> None:
    torch.manual_seed(0)
    d = Discriminator(image_size=8, channels=1, width=4, classes=2, norm="none").eval()
    images = torch.randn(2, 1, 8, 8)
    label = torch.tensor([1, 0])
    features = d.layers(images)
    assert d.embedding is not None
    plain = d.head(features.flatten(1)).squeeze(1)
    expected = plain + torch.einsum("nc,nchw->n", d.embedding.weight[label], features)  # type: ignore[arg-type]
    assert torch.allclose(d(images, label), expected, atol=1e-6)
