"""What lies in people's checkpoints beside the weights: averages in every form, loose tensors, other networks, sorted names."""

import copy
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from export.importers.from_class import module_from_class
from export.importers.from_names.layers import layers_of
from export.importers.import_log import ImportLog
from export.importers.name_order import in_order
from export.importers.request import ImportRequest
from export.importers.state_dict import StateDict, pick_state_dict
from export.importers.weights import read_weights
from gansample.errors import ArtefactError, UsageError

CLASS = """
from torch import nn
class Generator(nn.Module):
    def __init__(self, nz=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(nz, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 64))
    def forward(self, z):
        return self.net(z).view(-1, 1, 8, 8)
"""


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    scope: dict[str, Any] = {}
    exec(CLASS, scope)
    module: nn.Module = scope["Generator"]()
    return module.eval()


RAW, AVERAGE = network(0).state_dict(), network(1).state_dict()
PARAMETERS = [parameter.detach() for parameter in network(1).parameters()]
D = {"main.0.weight": torch.ones(2, 3)}


def picked(path: Path, content: Any, key: str | None = None) -> StateDict:
    torch.save(content, path / "file.pth")
    return pick_state_dict(read_weights(path / "file.pth"), ImportLog(), key)


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "content",
    [
        {"g_running": AVERAGE, "generator": RAW},
        {"avgG": AVERAGE, "G": RAW},
        {"netG": RAW, "netG_avg": AVERAGE},
        {"model": RAW, "swa_model": {"n_averaged": torch.tensor(3), **under("module.", AVERAGE)}},
        {"state_dict": RAW, "averaged_model": AVERAGE},
        {"G": RAW, "Gs": AVERAGE, "D": D},
        {"GAN": {**under("G.", RAW), **under("GE.", AVERAGE), **under("D.", D), **under("D_aug.D.", D)}},
        {"model": RAW, "ema": {"decay": 0.99, "shadow": AVERAGE}},
        {"ema": {**under("ema_model.", AVERAGE), **under("online_model.", RAW), "step": torch.tensor(3)}},
        {"state_dict": {**under("gan.generator.", RAW), **under("gan.generator_ema.", AVERAGE), **under("gan.critic.", D)}},
        {"g": RAW, "g_ema": PARAMETERS},
        {"g": under("module.", RAW), "g_ema": tuple(PARAMETERS), "opt_g": {"state": {}}},
        {"generator": RAW, "ema": {"decay": 0.99, "shadow_params": PARAMETERS, "collected_params": None}},
    ],
)
def test_an_average_is_taken_under_any_name_and_form(tmp_path: Path, content: Any) -> None:
    weights = picked(tmp_path, content)
    for tensors in (weights.averaged().tensors, through_class(tmp_path, weights)):
        for name, parameter in network(1).named_parameters():
            assert torch.equal(tensors[name], parameter), name


def through_class(folder: Path, weights: StateDict) -> dict[str, Tensor]:
    (folder / "model.py").write_text(CLASS)
    return module_from_class(str(folder / "model.py"), weights, {}, ImportLog()).state_dict()


def test_key_takes_the_raw_weights_beside_a_list(tmp_path: Path) -> None:
    weights = picked(tmp_path, {"g": RAW, "g_ema": PARAMETERS}, key="g")
    assert torch.equal(weights.averaged().tensors["net.0.weight"], RAW["net.0.weight"])
    weights = picked(tmp_path, {"g": RAW, "g_ema": PARAMETERS}, key="g_ema")
    assert torch.equal(weights.averaged().tensors["net.0.weight"], AVERAGE["net.0.weight"])


def test_a_list_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    weights = picked(tmp_path, {"g": RAW, "g_ema": PARAMETERS[1:]})
    with pytest.raises(UsageError, match=r"'g_ema', a list of 5 tensors .* --key g"):
        weights.averaged()
    with pytest.raises(UsageError, match="differ at number 0"):
        through_class(tmp_path, weights)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": RAW, "fixed_noise": torch.zeros(4, 4), "epoch": 3},
        {"model": RAW, "rng_state": torch.get_rng_state(), "losses": torch.zeros(5)},
        {"net": RAW, "z": torch.zeros(4), "latent_avg": torch.zeros(4)},
        {**RAW, "fixed_noise": torch.zeros(4, 4)},
        {"ema": RAW, "avg_losses": [torch.tensor(1.0)], "d_ema": [torch.ones(2)]},
    ],
)
def test_loose_tensors_are_no_network(tmp_path: Path, content: Any) -> None:
    assert through_class(tmp_path, picked(tmp_path, content)).keys() == RAW.keys()


def test_one_class_may_hold_all_networks_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("""
from torch import nn
class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(64, 4), nn.Linear(4, 64)
    def forward(self, z):
        return self.decoder(z).view(-1, 1, 8, 8)
""")
    tensors = {**under("encoder.", nn.Linear(64, 4).state_dict()), **under("decoder.", nn.Linear(4, 64).state_dict())}
    module = module_from_class(str(tmp_path / "model.py"), picked(tmp_path, {"model": tensors}), {}, ImportLog())
    assert torch.equal(module.state_dict()["encoder.weight"], tensors["encoder.weight"])


def shuffled(tensors: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    names = list(tensors)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return {names[i]: tensors[names[i]] for i in order}


def a_sequential() -> nn.Module:
    return nn.Sequential(*(layer for _ in range(6) for layer in (nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU())))


def numbered_attributes() -> nn.Module:
    module = nn.Module()
    for i in (1, 2, 10):
        module.add_module(f"conv{i}", nn.Conv2d(2, 2, 3))
        module.add_module(f"bn{i}", nn.BatchNorm2d(2))
    module.add_module("conv_out", nn.Conv2d(2, 1, 3))
    return module


def named_parts() -> nn.Module:
    module = nn.Module()
    for name in ("label_emb", "l1", "conv_blocks", "to_rgb"):
        module.add_module(name, nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    return module


@pytest.mark.parametrize(("make", "told"), [(a_sequential, True), (numbered_attributes, False), (named_parts, False)])
def test_layers_of_a_file_without_order_come_as_they_were_registered(make: Callable[[], nn.Module], told: bool) -> None:
    tensors = make().state_dict()
    want = [layer.path for layer in layers_of(tensors)]
    for seed in range(5):
        ordered, by_numbers = in_order(shuffled(tensors, seed))
        assert [layer.path for layer in layers_of(ordered)] == want
        assert by_numbers is told


def test_safetensors_are_put_in_order(tmp_path: Path) -> None:
    tensors = copy.deepcopy(a_sequential().state_dict())
    safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")
    weights = pick_state_dict(read_weights(tmp_path / "model.safetensors"), ImportLog())
    assert [layer.path for layer in layers_of(weights.tensors)] == [layer.path for layer in layers_of(tensors)]
    assert weights.order_told


def lightning(folder: Path, hyper_parameters: Any) -> Path:
    torch.save(
        {"state_dict": {**under("generator.", RAW), **under("critic.", D)}, "hyper_parameters": hyper_parameters},
        folder / "last.ckpt",
    )
    return folder / "last.ckpt"


class AttributeDict(dict[str, Any]):
    """Like Lightning's: a dictionary in a class of its own."""


class Options:
    """A configuration with attributes, and a reference to itself."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)
        self.itself = self


@pytest.mark.parametrize("kind", [dict, AttributeDict, Options, Namespace])
def test_options_in_a_foreign_class_are_read_as_what_they_hold(tmp_path: Path, kind: Callable[..., Any]) -> None:
    path = lightning(tmp_path, kind(nz=4, shape=(1, 8, 8), home=Path("x")))
    weights = pick_state_dict(read_weights(path), ImportLog())
    assert (weights.values["nz"], weights.values["shape"]) == (4, [1, 8, 8])
    assert torch.equal(weights.tensors["net.0.weight"], RAW["net.0.weight"])


def test_no_code_of_a_foreign_class_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lightning(tmp_path, Options(nz=4))
    monkeypatch.setattr(Options, "__new__", lambda *_: pytest.fail("a foreign class was built"))
    monkeypatch.setattr(Options, "__setstate__", lambda *_: pytest.fail("a foreign class was filled"), raising=False)
    read_weights(path)


def test_a_generator_that_is_an_object_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"carries Python objects \(torch.nn.modules.linear.Linear as 'G'\)"):
        picked(tmp_path, {"G": nn.Linear(2, 2), "state": {}, "net": RAW})
    assert picked(tmp_path, {"generator": RAW, "loss": nn.BCELoss(), "D": nn.Linear(2, 2)}).key == "generator"


def hub(folder: Path, *names: str) -> Path:
    for name in names:
        if name.endswith(".json"):
            (folder / name).write_text('{"nz": 4, "model_type": "gan"}')
        elif name.endswith(".safetensors"):
            safetensors.torch.save_file(RAW, folder / name)
        else:
            torch.save(RAW, folder / name)
    return folder


@pytest.mark.parametrize(
    ("names", "file"),
    [
        (("pytorch_model.bin", "config.json"), "pytorch_model.bin"),
        (("model.safetensors", "pytorch_model.bin", "training_args.bin", "config.json"), "model.safetensors"),
        (("model.safetensors", "optimizer.bin", "scheduler.bin", "random_states_0.pkl", "config.json"), "model.safetensors"),
        (("generator.pth", "discriminator.pth"), "generator.pth"),
        (("netG.pth", "netD.pth", "netG_ema.pth"), "netG_ema.pth"),
    ],
)
def test_a_folder_stands_for_the_weights_in_it(tmp_path: Path, names: tuple[str, ...], file: str) -> None:
    read = read_weights(hub(tmp_path, *names))
    assert read.name == file
    assert read.config.get("nz") == (4 if "config.json" in names else None)


@pytest.mark.parametrize("names", [("model.safetensors", "model_1.safetensors"), ("a.pth", "b.pth")])
def test_a_folder_of_several_networks_is_asked_about(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="holds 2 weights files"):
        read_weights(hub(tmp_path, *names))


def in_parts(folder: Path, index: bool) -> list[Path]:
    names = list(RAW)
    parts = [folder / f"model-{i + 1:05d}-of-00002.safetensors" for i in range(2)]
    for path, some in zip(parts, (names[::2], names[1::2]), strict=True):
        safetensors.torch.save_file({name: RAW[name] for name in some}, path)
    if index:
        weight_map = {name: parts[i % 2].name for i, name in enumerate(names)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return parts


@pytest.mark.parametrize("index", [True, False])
def test_weights_in_parts_are_put_together(tmp_path: Path, index: bool) -> None:
    parts = in_parts(tmp_path, index)
    for source in (tmp_path, *parts):
        weights = pick_state_dict(read_weights(source), ImportLog())
        assert weights.tensors.keys() == RAW.keys()
    parts[1].unlink()
    with pytest.raises(ArtefactError, match="1 of 2 parts"):
        read_weights(tmp_path)


def test_an_index_names_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../secret.safetensors"}}')
    with pytest.raises(ArtefactError, match="does not lie beside it"):
        read_weights(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_any_float_type_are_numbers(tmp_path: Path, dtype: torch.dtype) -> None:
    log = ImportLog()
    torch.save({name: t.to(dtype) if t.is_floating_point() else t for name, t in RAW.items()}, tmp_path / "g.pth")
    weights = pick_state_dict(read_weights(tmp_path / "g.pth"), log)
    assert torch.equal(weights.tensors["net.0.weight"], RAW["net.0.weight"].to(dtype).float())
    assert log.texts("measured") == [f"weights were saved as {str(dtype).removeprefix('torch.')}, computed in float32"]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_quantised_weights_are_numbers(tmp_path: Path) -> None:
    quantised = torch.quantize_per_tensor(RAW["net.0.weight"], 0.01, 0, torch.qint8)
    weights = picked(tmp_path, {**RAW, "net.0.weight": quantised})
    assert torch.equal(weights.tensors["net.0.weight"], quantised.dequantize())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("faces/generator.pth", "faces"),
        ("faces/pytorch_model.bin", "faces"),
        ("faces/model.safetensors.index.json", "faces"),
        ("faces/G.pt", "faces"),
        ("faces/netG_epoch_24.pth", "netG_epoch_24"),
        ("faces/celeba.pth", "celeba"),
    ],
)
def test_a_bundle_is_named_after_its_file_or_folder(tmp_path: Path, file: str, name: str) -> None:
    assert ImportRequest(weights=tmp_path / file).bundle_name == name
    assert ImportRequest(weights=tmp_path / file, name="mine").bundle_name == "mine"
