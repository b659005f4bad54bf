"""Networks that are called, or answer, in ways of their own are drawn as their authors draw them, in any number."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from export.export_model import ExportModel, cycled_labels, render
from export.graph.to_onnx import export_graph
from export.importers.any_batch import for_any_batch
from export.importers.expect_recipe import recipe
from export.importers.expected import compare_with_author
from export.importers.expected_file import read_expected
from export.importers.load_generator import Imported, load_generator
from export.importers.onnx_canonical import session
from export.importers.request import ImportRequest
from gansample.errors import UsageError
from tests.support import call_forms

SOURCE = Path(call_forms.__file__)


@dataclass(frozen=True)
class Case:
    """How the author draws z (N, latent) with labels (N,), and what must be known about it."""

    latent: int
    author: Callable[[Any, Tensor, Tensor], Any]
    classes: int | None = None
    known: str = ""
    """How the number of classes is known."""
    batch: int | None = None
    """The only batch size that the author's class draws."""
    options: tuple[tuple[str, Any], ...] = ()


def plain(g: Any, z: Tensor, _: Tensor) -> Any:
    return g(z)


def with_label(g: Any, z: Tensor, y: Tensor) -> Any:
    return g(z, y)


CASES: dict[str, Case] = {
    "Shared": Case(12, lambda g, z, y: g(z, g.shared(y)), 6, "measured"),
    "SharedLinear": Case(12, lambda g, z, y: g(z, g.shared(one_hot(y, 7).float())), 7, "measured"),
    "NoClasses": Case(12, lambda g, z, y: g(z, None)),
    "DeadLabel": Case(12, with_label),
    "JoinedOneHot": Case(20, lambda g, z, y: g(z, one_hot(y, 4).float()), 4, "told", options=(("classes", 4),)),
    "JoinedOneHotNamed": Case(20, lambda g, z, y: g(z, one_hot(y, 4).float()), 4, "told"),
    "OneHotInside": Case(12, with_label, 6, "measured"),
    "LabelFirst": Case(12, lambda g, z, y: g(y, z), 5, "measured"),
    "Positions": Case(12, plain),
    "NullClass": Case(12, with_label, 5, "told"),
    "LabelAsNumber": Case(12, with_label, 3, "told"),
    "Vae": Case(6, lambda g, z, y: g.decode(z)),
    "Autoencoder": Case(6, lambda g, z, y: g.decoder(z)),
    "Pyramid": Case(12, lambda g, z, y: g(z)[1]),
    "Named": Case(12, lambda g, z, y: g(z).pictures),
    "Dataclass": Case(12, lambda g, z, y: g(z).sample),
    "Constant": Case(12, plain),
    "Recurrent": Case(12, plain, batch=8),
    "Squeezed": Case(12, plain),
    "Styles": Case(12, lambda g, z, y: g([z])[0]),
    "Unused": Case(12, with_label, 4, "measured"),
    "FlatTold": Case(6, plain),
}

# One of each form that reaches the graph.
GRAPHS = ("Shared", "NoClasses", "OneHotInside", "LabelFirst", "Vae", "Pyramid", "Constant", "Recurrent", "Squeezed", "Styles")


def author_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = getattr(call_forms, name)()
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=1.5 / max(parameter[0].numel(), 4) ** 0.5)
    return module.eval()


def imported(name: str, folder: Path, **options: Any) -> Imported:
    torch.save(author_of(name).state_dict(), folder / "gen.pth")
    return load_generator(ImportRequest(weights=folder / "gen.pth", generator=f"{SOURCE}:{name}", **options))


@pytest.mark.parametrize("name", CASES)
def test_it_draws_what_its_author_draws(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = imported(name, tmp_path, **dict(case.options))
    spec = found.generator.spec
    assert spec.latent_size == case.latent
    assert (len(spec.classes) if spec.classes is not None else None) == case.classes
    assert case.classes is None or found.log.facts["classes"].known == case.known
    n = case.batch or 7
    z, label = torch.randn(n, case.latent), torch.arange(n) % (case.classes or 1)
    with torch.no_grad():
        theirs = case.author(author_of(name), z, label)
        ours = found.generator.network(z, label) if case.classes is not None else found.generator.network(z)
    assert torch.allclose(ours, theirs.reshape(ours.shape), atol=1e-5)


@pytest.mark.parametrize("name", GRAPHS)
def test_its_graph_draws_any_number_of_pictures(name: str, tmp_path: Path) -> None:
    model: ExportModel = imported(name, tmp_path, **dict(CASES[name].options)).generator
    run = session(onnx.load_from_string(export_graph(model, for_any_batch).debug_graph)).run
    for n in (1, 3, 17):
        z, label = model.spec.latents(range(n)), cycled_labels(model.spec, n)
        feed = {"z": z} if label is None else {"z": z, "label": label}
        assert np.abs(run(["levels"], feed)[0] - render(model, z, label).unrounded).max() < 0.05


def test_a_width_that_nobody_tells_is_no_number_of_classes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"24 values together.*--classes"):
        imported("JoinedOneHot", tmp_path)


def test_more_classes_than_the_network_takes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--classes 9: the network takes labels up to 4"):
        imported("LabelFirst", tmp_path, classes=9)


@pytest.mark.parametrize("name", ["NoClasses", "DeadLabel"])
def test_a_label_without_effect_is_said_and_no_class(name: str, tmp_path: Path) -> None:
    assert "does not change the picture, so there are no classes" in json.dumps(imported(name, tmp_path).log.to_list())
    with pytest.raises(UsageError, match=r"--classes.*does not change the picture"):
        imported(name, tmp_path, classes=4)


def test_which_of_several_outputs_is_taken_is_said(tmp_path: Path) -> None:
    output = imported("Pyramid", tmp_path).log.facts["output"]
    assert (output.known, output.value) == ("assumed", "output 2 of 2, 3×32×32 (others: 3×16×16)")
    assert imported("Named", tmp_path).log.facts["output"].known == "told"


def test_a_row_of_values_that_fits_two_shapes_is_assumed(tmp_path: Path) -> None:
    picture = imported("FlatOfTwoShapes", tmp_path).log.facts["picture"]
    assert (picture.known, picture.value) == ("assumed", "1×64×64")
    assert "fit 4×32×32 too" in picture.how
    assert imported("FlatTold", tmp_path).log.facts["picture"].value == "4×32×32"


RECIPES = [name for name, case in CASES.items() if case.batch is None]


@pytest.mark.parametrize("name", RECIPES)
def test_its_recipe_is_the_author_s_own_call(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = imported(name, tmp_path, **dict(CASES[name].options)).generator
    exec(recipe(generator), {"torch": torch, "np": np, "G": author_of(name)})
    seen = compare_with_author(generator, read_expected(Path("ref.npz")))
    assert (seen.failures, seen.fidelity.images) == ((), 64)


def test_what_has_no_effect_is_named(tmp_path: Path) -> None:
    warnings = " ".join(imported("Unused", tmp_path).log.texts("warning"))
    assert "2 of the network's 9 weights do not change the picture: head.weight, head.bias" in warnings
    assert "the classes 2, 3 draw the same pictures" in warnings
    assert "weights do not change" not in " ".join(imported("LabelFirst", tmp_path).log.texts("warning"))


def test_a_part_that_is_called_is_told_or_found(tmp_path: Path) -> None:
    assert imported("Vae", tmp_path).log.facts["call"].known == "measured"
    assert imported("Vae", tmp_path, call="decode").log.facts["call"].known == "told"
    with pytest.raises(UsageError, match="--call paint: Vae has no such method"):
        imported("Vae", tmp_path, call="paint")
