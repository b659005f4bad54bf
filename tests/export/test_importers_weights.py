"""Any weights file is read without unpickling, in every format and nesting, and the right network in it is picked."""

import argparse
import functools
import os
import timeit
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from export.importers.import_log import ImportLog
from export.importers.name_order import in_order, natural
from export.importers.state_dict import StateDict, pick_state_dict
from export.importers.weights import read_weights
from gansample.errors import ArtefactError, UsageError

G = {"net.0.weight": torch.ones(3, 2), "net.0.bias": torch.zeros(3)}
EMA = {name: tensor + 1 for name, tensor in G.items()}
D = {"main.0.weight": torch.full((2, 3), 7.0)}
OPTIMIZER = {"state": {0: {"exp_avg": torch.full((3, 2), 9.0)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}


def read(path: Path, content: Any, key: str | None = None, **how: Any) -> StateDict:
    torch.save(content, path, **how)
    return pick_state_dict(read_weights(path), ImportLog(), key)


def prefixed(*prefixes: str) -> dict[str, torch.Tensor]:
    return {"".join(prefixes) + name: tensor for name, tensor in G.items()}


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (G, ""),
        ({"state_dict": G, "epoch": 3}, "state_dict"),
        ({"model": G, "optimizer": OPTIMIZER}, "model"),
        ({"generator": G, "discriminator": D, "optimizer_g": OPTIMIZER}, "generator"),
        ({"netG": G, "netD": D}, "netG"),
        ({"G": G, "D": D, "args": argparse.Namespace(nz=2)}, "G"),
        ({"D": D, "G": {"state_dict": G}}, "G.state_dict"),
        ({"g": D, "g_ema": G}, "g_ema"),
        ({"G": D, "G_ema": G}, "G_ema"),
        ({"generator_state_dict": G, "discriminator_state_dict": D}, "generator_state_dict"),
        ({"state_dict": {**prefixed("generator."), **{f"discriminator.{k}": v for k, v in D.items()}}}, "state_dict.generator"),
        ({**{f"online_model.{k}": v for k, v in EMA.items()}, **prefixed("ema_model.")}, "ema_model"),
        (prefixed("module."), ""),
        (prefixed("_orig_mod."), ""),
        (prefixed("module.", "_orig_mod."), ""),
        ({"n_averaged": torch.tensor(5), **prefixed("module.")}, ""),
        ({"generator": G, "losses": np.arange(3.0), "best": np.float64(0.5)}, "generator"),
        ({name: tensor.half() for name, tensor in G.items()}, ""),
        ({name: tensor.bfloat16() for name, tensor in G.items()}, ""),
        ({name: torch.nn.Parameter(tensor) for name, tensor in G.items()}, ""),
    ],
)
def test_the_generator_is_picked(tmp_path: Path, content: Any, key: str) -> None:
    picked = read(tmp_path / "gen.pth", content)
    assert picked.key == key
    assert picked.tensors.keys() == G.keys()
    for name, tensor in G.items():
        assert picked.tensors[name].dtype == torch.float32
        assert torch.equal(picked.tensors[name], tensor)


@pytest.mark.parametrize("location", ["cuda:0", "mps"])
def test_tensors_of_other_devices_come_to_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: location)
    assert read(tmp_path / "gen.pth", G).tensors["net.0.weight"].device.type == "cpu"


def test_the_format_before_torch_1_6_is_read(tmp_path: Path) -> None:
    picked = read(tmp_path / "gen.pth", G, _use_new_zipfile_serialization=False)
    assert torch.equal(picked.tensors["net.0.weight"], G["net.0.weight"])


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file(G, tmp_path / "gen.safetensors")
    picked = pick_state_dict(read_weights(tmp_path / "gen.safetensors"), ImportLog())
    assert torch.equal(picked.tensors["net.0.weight"], G["net.0.weight"])


def test_key_chooses_and_names_what_there_is(tmp_path: Path) -> None:
    content = {"g_ema": EMA, "g": G, "nz": 2}
    assert torch.equal(read(tmp_path / "gen.pth", content, key="g").tensors["net.0.weight"], G["net.0.weight"])
    with pytest.raises(UsageError, match="it has: 'g_ema', 'g'"):
        read(tmp_path / "gen.pth", content, key="h")


def test_plain_values_beside_the_weights_are_kept(tmp_path: Path) -> None:
    values = read(tmp_path / "gen.pth", {"generator": G, "nz": 2, "img_shape": (1, 28, 28)}).values
    assert values == {"nz": 2, "img_shape": [1, 28, 28]}


def a_truncated_file(path: Path) -> None:
    torch.save(G, path)
    path.write_bytes(path.read_bytes()[:-200])


def a_name_that_is_no_text(path: Path) -> None:
    """A member's name said to be UTF-8 that is not, as one flipped bit makes it."""
    torch.save(G, path)
    data = path.read_bytes()
    entry = data.index(b"PK\x01\x02")  # the first entry of the zip directory: flags at 8, name at 46
    path.write_bytes(data[: entry + 8] + b"\x00\x08" + data[entry + 10 : entry + 46] + b"\x80" + data[entry + 47 :])


def a_whole_module(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), path)


def an_attack(path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            import os

            return os.system, ("touch /tmp/should-never-exist",)

    torch.save({"G": Attack()}, path)


class Calls:
    """Unpickling calls this function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.how = function, arguments

    def __reduce__(self) -> Any:
        return self.how


CODE = [
    Calls(eval, "1"),
    Calls(exec, "1"),
    Calls(os.system, "touch /tmp/should-never-exist"),
    Calls(webbrowser.open, "x"),
    Calls(timeit.timeit, "1"),
    Calls(torch.hub.load, "x", "y"),
    Calls(np.load, "x"),
    Calls(functools.partial, print),
    Calls(getattr, "", "x"),
    Calls(pytest.main),
]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("call", CODE, ids=lambda call: call.how[0].__name__)
def test_nobody_is_told_how_to_run_the_code_in_a_file(tmp_path: Path, call: Calls, zipped: bool, protocol: int) -> None:
    """Refused, or read without running it; the way to run it is no advice, whatever the pickle's protocol."""
    path = tmp_path / "gen.pth"
    for content in ({"G": G, "x": call}, call, {"G": torch.nn.Linear(2, 2), "x": call}):
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        said = ""
        try:
            pick_state_dict(read_weights(path), ImportLog())
        except (ArtefactError, UsageError) as refusal:
            said = str(refusal)
        assert "weights_only=False" not in said
    assert not Path("/tmp/should-never-exist").exists()


@pytest.mark.parametrize("call", [Calls(eval, "1"), Calls(webbrowser.open, "x"), Calls(os.system, "true")])
def test_what_does_something_is_called_an_attack(tmp_path: Path, call: Calls) -> None:
    torch.save({"G": G, "x": call}, tmp_path / "gen.pth")
    with pytest.raises(ArtefactError, match="that is no weights file but an attack"):
        read_weights(tmp_path / "gen.pth")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gen.pth")
    with pytest.raises(ArtefactError, match="no regular file"):
        read_weights(tmp_path / "gen.pth")


def an_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))


def nan_weights(path: Path) -> None:
    torch.save({"net.0.weight": torch.tensor([[float("nan"), 1.0]])}, path)


def writes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def saves(content: Any) -> Callable[[Path], object]:
    return lambda path: torch.save(content, path)


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (writes(b""), "is empty"),
    "git-lfs": (writes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0"), "git-lfs pointer.*git lfs pull"),
    "web page": (writes(b"\n<!DOCTYPE html><html></html>"), "is a web page"),
    "hdf5": (writes(b"\x89HDF\r\n\x1a\n" + bytes(64)), "HDF5"),
    "picture": (writes(b"\x89PNG\r\n\x1a\n" + bytes(64)), "PNG picture"),
    "numpy": (an_npz, "NumPy .npz"),
    "truncated": (a_truncated_file, "truncated"),
    "no text": (a_name_that_is_no_text, "damaged .its zip directory: 'utf-8' codec"),
    "foreign pickle": (writes(b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00."), "a pickle that torch did not write"),
    "whole module": (a_whole_module, "never unpickled.*G = torch.load.*state_dict"),
    "attack": (an_attack, "an attack"),
    "one tensor": (saves(torch.ones(3)), "one tensor of shape"),
    "no tensors": (saves({"epoch": 3}), "a dictionary without tensors"),
    "discriminator": (saves({"netD": D}), "holds only 'netD', no generator"),
    "two": (saves({"one": G, "two": EMA}), "several state dicts.*--key: one, two"),
    "nan": (nan_weights, "hold NaN or infinity.*net.0.weight: 1 of 2"),
    "text": (writes(b"hello, this is no model at all"), "no torch, safetensors, TorchScript or ONNX file"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_generator_is_refused_with_what_it_is(tmp_path: Path, name: str) -> None:
    make, message = REFUSALS[name]
    path = tmp_path / "gen.pth"
    make(path)
    with pytest.raises((ArtefactError, UsageError), match=message):
        pick_state_dict(read_weights(path), ImportLog())
    assert not Path("/tmp/should-never-exist").exists()


def test_names_with_numbers_that_python_does_not_read() -> None:
    names = [f"main.{number}.weight" for number in ("10", "2", "9" * 5_000, "²")]
    tensors, _ = in_order({name: torch.zeros(1) for name in names})
    assert set(tensors) == set(names)
    assert list(tensors).index("main.2.weight") < list(tensors).index("main.10.weight")
    assert sorted(names, key=natural).index(names[1]) < sorted(names, key=natural).index(names[0])
