"""Files that are nearly of a known family are refused in one line, whatever is missing or misshapen, and never read as it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from export.importers.families.recognise import family_of
from export.importers.request import ImportRequest
from export.importers.state_dict import StateDict
from gansample.errors import GansampleError
from tests.export.test_families_biggan import biggan_file, converted_file
from tests.export.test_families_classic import progan_file, sngan_file
from tests.export.test_families_decoders import kl_shapes, taesd_shapes
from tests.export.test_families_fastgan import fastgan_file, lightweight_file
from tests.export.test_families_r3gan import made
from tests.support.families import random_weights

FILES: dict[str, Callable[[], dict[str, Tensor]]] = {
    "taesd": lambda: random_weights(taesd_shapes(1, pooled=True)),
    "kl": lambda: random_weights(kl_shapes((32, 32), 1)),
    "r3gan": lambda: made(classes=3),
    "fastgan": lambda: fastgan_file(256),
    "lightweight-gan": lambda: lightweight_file((8, 8, 6, 6, 4), (1,)),
    "biggan": lambda: biggan_file("split"),
    "biggan-deep": lambda: biggan_file("deep"),
    "converted": converted_file,
    "progressive": progan_file,
    "sngan": lambda: sngan_file(4, attention=True),
}

SHAPES = ((), (1,), (7, 5), (2, 3, 5, 7), (0,))
# What a file may lack or have otherwise: counters of older versions, what nothing reads, and embeddings of other classes,
# without which the rest is the file of an unconditional generator.
FREE = ("num_batches_tracked", "sv0", "EmbeddingLayer.weight", "shared.weight", "embeddings.weight", "gamma")


def outcome(tensors: Mapping[str, Tensor]) -> str:
    """`taken`, `refused`, or `unknown`: left to those who read chains of layers."""
    weights = StateDict(dict(tensors), key="", values={}, file="weights.pth", sha256="")
    try:
        return "unknown" if family_of(weights, ImportRequest(weights=Path("weights.pth"))) is None else "taken"
    except GansampleError:
        return "refused"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_lacks_a_tensor_or_has_one_of_another_shape_is_not_taken(name: str) -> None:
    whole = FILES[name]()
    assert outcome(whole) == "taken"
    assert outcome({**whole, "something.else": torch.ones(2)}) != "taken"
    for i, damaged in enumerate(name for name in whole if not name.endswith(FREE)):
        rest = {other: tensor for other, tensor in whole.items() if other != damaged}
        assert outcome(rest) != "taken", f"without {damaged}"
        shape = SHAPES[i % len(SHAPES)]
        if tuple(whole[damaged].shape) != shape:
            assert outcome({**whole, damaged: torch.ones(shape)}) != "taken", f"{damaged} of shape {shape}"
