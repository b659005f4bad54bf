"""Every synthetic generator is called the right way, from nothing but its class and its weights."""

from pathlib import Path

import pytest
import torch

from export.importers.load_generator import Taken, take
from export.importers.request import Request
from tests.support.synthetic_generators import CASES, Case, example, trained_case

SOURCE = Path(__file__).parents[1] / "support" / "synthetic_generators.py"


def taken(name: str, folder: Path) -> Taken:
    """The case taken in through a weights file and the class in this folder."""
    case = CASES[name]
    torch.save(trained_case(name).state_dict(), folder / f"{name}.pth")
    return take(Request(weights=folder / f"{name}.pth", generator=f"{SOURCE}:{case.class_name}", **case.options))


@pytest.mark.parametrize("name", CASES)
def test_it_is_called_as_its_author_meant(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    generator = taken(name, tmp_path).generator
    form = generator.network.form
    assert (generator.spec.channels, generator.spec.height, generator.spec.width) == case.image
    assert generator.spec.latent_size == case.latent
    assert generator.spec.value_range == case.value_range
    assert (len(generator.spec.classes) if generator.spec.classes else None) == case.classes
    assert (form.label, form.layout) == (case.form, case.layout)
    assert form.batch is None


@pytest.mark.parametrize("name", CASES)
def test_its_pictures_are_its_own(name: str, tmp_path: Path) -> None:
    """Through the generator come the numbers that the author's module gives for the same latents."""
    case, module = CASES[name], trained_case(name)
    inputs = example(case, 6)
    z, label = latents_of(case, inputs)
    with torch.no_grad():
        ours = taken(name, tmp_path).generator.network(z, label)
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
    if case.form == "joined onehot":
        z = z[:, : case.latent]
    if case.classes is None:
        return z, None
    return z, torch.arange(len(z)) % case.classes
