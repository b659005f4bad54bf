"""Every synthetic generator is called the right way, from nothing but its class and its weights."""

from pathlib import Path

import pytest
import torch

from tests.support.import_case import import_case
from tests.support.synthetic_generators import CASES, Case, example, trained_case


@pytest.mark.parametrize("name", CASES)
def test_it_is_called_as_its_author_meant(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    generator = import_case(name, tmp_path).generator
    signature = generator.network.signature
    assert (generator.spec.channels, generator.spec.height, generator.spec.width) == case.image
    assert generator.spec.latent_size == case.latent
    assert generator.spec.value_range == case.value_range
    assert (len(generator.spec.classes) if generator.spec.classes else None) == case.classes
    assert (signature.label, signature.layout) == (case.label, case.layout)
    assert signature.batch is None


@pytest.mark.parametrize("name", CASES)
def test_its_pictures_are_its_own(name: str, tmp_path: Path) -> None:
    """Through the generator come the numbers that the author's module gives for the same latents."""
    case, module = CASES[name], trained_case(name)
    inputs = example(case, 6)
    z, label = latents_of(case, inputs)
    with torch.no_grad():
        ours = import_case(name, tmp_path).generator.network(z, label)
        theirs = module(*inputs)
    if isinstance(theirs, dict):
        theirs = theirs["image"]
    channels, height, width = case.image
    if "HWC" in case.layout:
        theirs = theirs.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    assert torch.allclose(ours, theirs.reshape(ours.shape), atol=1e-5)


def latents_of(case: Case, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """z (N, nz) and label (N,) for the inputs that the author's module got."""
    z = inputs[0].flatten(1)
    if case.label == "joined onehot":
        z = z[:, : case.latent]
    if case.classes is None:
        return z, None
    return z, torch.arange(len(z)) % case.classes
