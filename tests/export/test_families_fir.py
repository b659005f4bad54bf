"""Filters resample by the definition, in both precisions."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from export.importers.families.fir import LARGEST_MATRIX, Fir

FORMS = [
    # taps, up, down, margin
    ((4,), 1, 1, (1, 1)),
    ((4, 4), 1, 1, (1, 2)),
    ((4, 4), 2, 1, (2, 1)),
    ((12,), 2, 1, (9, 8)),
    ((12,), 4, 1, (-6, -9)),
    ((3,), 2, 1, (4, 5)),
    ((12,), 1, 2, (0, 0)),
    ((6, 6), 1, 2, (-1, 2)),
    ((1,), 2, 1, (0, 0)),
    ((1,), 1, 1, (0, 0)),
]


def defined(x: Tensor, taps: Tensor, up: int, down: int, margin: tuple[int, int]) -> Tensor:
    taps = taps if taps.dim() == 2 else torch.outer(taps, taps)
    spread = torch.zeros(*x.shape[:2], x.shape[2] * up, x.shape[3] * up, dtype=x.dtype)
    spread[:, :, ::up, ::up] = x
    wide = functional.pad(spread, (*margin, *margin))
    size = len(taps)
    return torch.einsum("nchwab,ab->nchw", wide.unfold(2, size, down).unfold(3, size, down), taps.flip(0, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("shape", "up", "down", "margin"), FORMS)
def test_it_filters_as_defined(shape: tuple[int, ...], up: int, down: int, margin: tuple[int, int], dtype: torch.dtype) -> None:
    stream = torch.Generator().manual_seed(0)
    taps, x = torch.rand(shape, generator=stream), torch.randn(2, 3, 14, 16, generator=stream, dtype=torch.float64)
    fir = Fir(taps, 3, margin, up=up, down=down, gain=up**2).to(dtype)
    wanted = defined(x, taps.double(), up, down, margin) * up**2
    got = fir(x.to(dtype))
    assert got.shape == wanted.shape
    assert (got - wanted).abs().max() < (1e-5 if dtype == torch.float32 else 1e-6) * wanted.abs().max()


def test_large_pictures_are_filtered_as_small_ones() -> None:
    fir = Fir(torch.tensor([1.0, 2.0, 3.0, 5.0]), 1, (2, 1), up=2).double()
    x = torch.randn(1, 1, 4, LARGEST_MATRIX + 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(fir(x)[..., :400], fir(x[..., :250])[..., :400], atol=1e-12)
