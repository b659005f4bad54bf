"""`--expect`: the author's own pictures are drawn again; a match confirms what they exercise, a mismatch writes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from export.__main__ import app
from export.export_model import PixelHead
from export.importers.expect_recipe import recipe
from export.importers.expected import compare_with_author, confirm_with_author
from export.importers.expected_file import Expected, read_expected
from export.importers.load_generator import Imported, load_generator
from export.importers.request import ImportRequest
from gansample.errors import ArtefactError, ParityError, UsageError
from tests.support.import_case import import_case
from tests.support.synthetic_generators import CASES, example, trained_case


def answer(name: str, n: int = 16, **changes: Any) -> Expected:
    """What the case's own class draws."""
    inputs = example(CASES[name], n)
    with torch.no_grad():
        out = trained_case(name)(*inputs)
    label = inputs[1].numpy() if len(inputs) > 1 else None
    z = inputs[0].reshape(n, -1).numpy()
    return Expected(**{"z": z, "label": label, "out": out.numpy(), "source": "ref.npz", **changes})


def recognised(module: nn.Module, folder: Path, expected: Expected) -> Imported:
    torch.save(module.state_dict(), folder / "gen.pth")
    return load_generator(
        ImportRequest(weights=folder / "gen.pth", author_latents=expected.distribution, author_range=expected.value_range)
    )


def test_a_match_confirms_a_recognised_network(tmp_path: Path) -> None:
    expected = answer("dcgan32")
    generator = recognised(trained_case("dcgan32"), tmp_path, expected).generator
    assert generator.spec.basis is not None
    assert generator.spec.basis.assumptions
    confirmed = confirm_with_author(generator, expected, tmp_path / "out")
    assert confirmed.spec.basis is not None
    assert (confirmed.spec.basis.assumptions, confirmed.spec.basis.compared) == ((), 16)


@pytest.mark.parametrize("mutate", ["slope", "sigmoid"])
def test_a_mismatch_writes_nothing_but_both_pictures_side_by_side(mutate: str, tmp_path: Path) -> None:
    module, expected = trained_case("dcgan32"), answer("dcgan32")
    generator = recognised(module, tmp_path, expected).generator
    out = 1 / (1 + np.exp(-2 * np.arctanh(expected.out * 0.999))) if mutate == "sigmoid" else expected.out * 0.9
    with pytest.raises(ParityError, match="16 of the author's pictures are drawn differently"):
        confirm_with_author(generator, Expected(z=expected.z, label=None, out=out, source="x"), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"gen.pth", "out.expected.png"}


def test_floats_do_not_confirm_what_an_unbounded_output_is_clipped_to_but_bytes_do(tmp_path: Path) -> None:
    generator = import_case("unbounded", tmp_path).generator
    expected = answer("unbounded")
    as_bytes = PixelHead("tanh")(torch.from_numpy(expected.out)).round().byte().numpy()
    for out, still_open in ((expected.out, True), (as_bytes, False), (as_bytes ^ np.uint8(1), False)):
        seen = compare_with_author(generator, Expected(z=expected.z, label=None, out=out, source="x"))
        assert seen.failures == ()
        assert ("range" in {fact.name for fact in seen.basis.assumptions}) == still_open


def test_a_flat_answer_does_not_confirm_the_order_of_its_values(tmp_path: Path) -> None:
    generator, expected = import_case("flat-rgb-last", tmp_path).generator, answer("flat-rgb-last")
    for out, still_open in ((expected.out.reshape(16, -1), True), (expected.out.reshape(16, 20, 20, 3), False)):
        seen = compare_with_author(generator, Expected(z=expected.z, label=None, out=out, source="x"))
        assert seen.failures == ()
        assert ("order of values" in {fact.name for fact in seen.basis.assumptions}) == still_open


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        (np.random.RandomState(0).standard_normal((8, 100)), "normal"),
        (np.random.RandomState(0).uniform(-1, 1, (8, 100)), "uniform"),
        (np.random.RandomState(1).uniform(-1, 1, (2, 4)), None),  # so few that normal ones may lie there too
    ],
)
def test_latents_tell_their_distribution_only_where_they_decide_it(z: np.ndarray, expected: str | None) -> None:
    assert Expected(z=z.astype(np.float32), label=None, out=np.zeros((len(z), 1)), source="x").distribution == expected


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"z": np.zeros((2, 3), np.float32)}, UsageError, "holds z"),
        ({"z": np.zeros((0, 3), np.float32), "out": np.zeros((0, 4), np.float32)}, UsageError, "0 latents and 0 pictures"),
        ({"z": np.zeros((2, 3), np.float32), "out": np.zeros((3, 4), np.float32)}, UsageError, "2 latents and 3 pictures"),
        ({"z": np.zeros((2, 3), np.float32), "out": np.full((2, 4), np.nan)}, UsageError, "NaN"),
        ({"z": np.zeros((2, 3), np.int64), "out": np.zeros((2, 4))}, UsageError, "z is int64"),
        ({}, UsageError, "holds nothing"),
    ],
)
def test_a_file_that_holds_no_answer_is_refused(arrays: dict[str, Any], error: type, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "ref.npz", **arrays)
    with pytest.raises(error, match=message):
        read_expected(tmp_path / "ref.npz")
    (tmp_path / "folder").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    with pytest.raises(error, match=message):
        read_expected(tmp_path / "folder")


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    for name in ("none.npz", "bad.npz"):
        with pytest.raises(ArtefactError, match="--expect"):
            read_expected(tmp_path / name)


def test_an_answer_for_another_latent_label_or_picture_is_a_mismatch(tmp_path: Path) -> None:
    generator, right = import_case("label-embedding", tmp_path).generator, answer("label-embedding")
    assert compare_with_author(generator, right).failures == ()
    for error, changes in (
        (ParityError, {"z": right.z[:, :-1]}),
        (ParityError, {"label": np.full(16, 7)}),
        (UsageError, {"label": None}),
        (ParityError, {"out": right.out[..., :-1]}),
    ):
        with pytest.raises(error):
            compare_with_author(generator, answer("label-embedding", **changes))


def test_strict_refuses_assumptions_and_the_author_s_answer_settles_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = answer("dcgan32")
    torch.save(trained_case("dcgan32").state_dict(), "gen.pth")
    np.savez("ref.npz", z=expected.z, out=expected.out)
    command = ["gen.pth", "--out", "out", "--variants", "onnx-fp32", "--strict", "--quiet", "--json"]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, ParityError)
    assert not Path("out").exists()
    done = CliRunner().invoke(app, [*command, "--expect", "ref.npz"])
    assert done.exit_code == 0, done.exception
    basis = json.loads(Path("out/bundle.json").read_text(encoding="utf-8"))["basis"]
    assert (basis["verdict"], basis["compared_with_the_author"]) == ("PASS", 16)


@pytest.mark.parametrize("name", ["dcgan32", "label-embedding"])
def test_the_recipe_makes_a_file_that_matches(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = import_case(name, tmp_path).generator
    exec(recipe(generator), {"torch": torch, "np": np, "G": trained_case(name)})
    seen = compare_with_author(generator, read_expected(Path("ref.npz")))
    assert (seen.failures, seen.fidelity.images) == ((), 64)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_recipe_opens_a_torchscript_program_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = trained_case("dcgan32").eval()
    expected = answer("dcgan32")
    torch.jit.trace(network, torch.from_numpy(expected.z)[:2].reshape(2, -1, 1, 1)).save("theirs.pt")
    generator = load_generator(ImportRequest(torchscript=Path("theirs.pt"))).generator
    exec(recipe(generator), {"torch": torch, "np": np})
    seen = compare_with_author(generator, read_expected(Path("ref.npz")))
    assert (seen.failures, seen.fidelity.images) == ((), 64)
