"""Real sets, where they lie beside the checkout: garments, hands, pixel art and Fashion-MNIST, each whole."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.logs import logged
from tests.support.repository import ROOT
from train.data.load import load_data
from train.data.request import DataRequest

SHARED = Path(ROOT).parent / "shared/data"
CLOTHING = {"source": SHARED / "clothing-64/clothing-cc0-64px.tar", "image_size": 64}
SIGNS = {"source": SHARED / "sign-digits-100/sign-digits-100.tar", "image_size": 32}
TILES = {"source": SHARED / "crawl-tiles-32/crawl-tiles-32.tar", "image_size": 32}
GARMENTS = ("T-Shirt", "Longsleeve", "Pants", "Shoes")
DIGITS = tuple("0123456789")

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no {SHARED.name} folder beside the checkout")


@pytest.mark.parametrize(
    ("fields", "shape", "held_out", "class_names", "notes"),
    [
        ({"source": "fashion-mnist", "data_root": SHARED / "fashion-mnist"}, (60_000, 1, 32, 32), 10_000, "T-shirt/top", 0),
        (CLOTHING, (5180, 3, 64, 64), 576, None, 0),
        (CLOTHING | {"labels_file": SHARED / "clothing-64/images.csv"}, (5180, 3, 64, 64), 576, None, 1),
        (
            CLOTHING | {"labels_file": SHARED / "clothing-64/images.csv", "classes": GARMENTS},
            (2550, 3, 64, 64),
            283,
            "T-Shirt",
            1,
        ),
        (SIGNS | {"conditional": True}, (1856, 3, 32, 32), 206, "0", 0),
        (TILES | {"fit": "pad", "background": "black"}, (3921, 3, 32, 32), 436, "UNUSED", 0),
    ],
)
def test_a_real_set_is_read_whole(
    fields: dict[str, Any], shape: tuple[int, ...], held_out: int, class_names: str | None, notes: int, tmp_path: Path
) -> None:
    said: list[str] = []
    request = DataRequest(**{**fields, "source": str(fields["source"]), "cache": tmp_path})
    with logged(said):
        data = load_data(request)
    assert data.images.shape == shape
    assert len(data.held_out_images) == held_out
    assert (data.class_names[0] if data.class_names else None) == class_names
    assert len(said) == notes
    assert data.skipped == ()
    again = load_data(request)
    assert again.fingerprint == data.fingerprint
    assert torch.equal(again.held_out_images, data.held_out_images)
