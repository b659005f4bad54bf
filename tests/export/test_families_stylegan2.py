"""StyleGAN2 from its file draws what its paper's equations say, computed here in the plainest way, one picture at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from export.export_model import render
from export.graph.to_onnx import export_graph
from export.importers.families.stylegan2 import StyleGAN2
from export.importers.from_pickle import pick_pickled, told_network
from export.importers.import_log import ImportLog
from export.importers.load_generator import load_generator
from export.importers.request import ImportRequest
from export.importers.weights import read_weights
from gansample.errors import ArtefactError, UsageError
from tests.support.naive_stylegan import latents, stylegan2_drawn
from tests.support.nvidia_pickle import Module, network_file, pickled, stylegan2


def imported(path: Path, data: bytes, **options: Any) -> Any:
    path.write_bytes(data)
    return load_generator(ImportRequest(weights=path, **options))


def network_in(path: Path, generator: Module, noise: Any = None) -> StyleGAN2:
    """The network alone, without the measurements of a whole import."""
    path.write_bytes(network_file(generator))
    picked = pick_pickled(read_weights(path), ImportLog())
    assert picked.family is not None
    network, _ = told_network(picked, picked.family, ImportRequest(weights=path, noise=noise))
    assert isinstance(network, StyleGAN2)
    return network.double()


FORMS: dict[str, dict[str, Any]] = {
    "skip": {},
    "resnet": {"kind": "resnet"},
    "orig": {"kind": "orig"},
    "skip, clamped": {"clamp": 1.5},
    "resnet, clamped": {"kind": "resnet", "clamp": 1.5},
    "classes": {"classes": 3},
    "grey": {"channels": 1},
    "4×4": {"side": 4},
    "32×32": {"side": 32},
    "a lopsided filter": {"taps": (1, 2, 3, 5)},
    "a filter of six": {"taps": (1, 3, 5, 5, 3, 2)},
    "a filter of two": {"taps": (1, 1)},
    "a filter in one direction": {"taps": (1, 2, 3, 4, 4, 3, 2, 2)},
}


@pytest.mark.parametrize("noise", ["const", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_it_draws_what_the_paper_says(form: str, noise: str, tmp_path: Path) -> None:
    generator = stylegan2(**FORMS[form])
    classes = FORMS[form].get("classes", 0)
    network = network_in(tmp_path / "net.pkl", generator, noise="none" if noise == "none" else None)
    z = latents(3)
    label = torch.arange(3) if classes else None
    with torch.no_grad():
        got = network(z, label)
    for index in range(3):
        wanted = stylegan2_drawn(generator, z[index], index if classes else None, noise=noise == "const")
        assert got[index].shape == wanted.shape
        assert (got[index] - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("psi", [0.0, 0.7])
def test_its_parts_give_truncated_pictures(psi: float, tmp_path: Path) -> None:
    generator, z = stylegan2(8), latents(2)
    network = network_in(tmp_path / "net.pkl", generator)
    assert network.mapping.w_avg is not None
    with torch.no_grad():
        got = network.synthesis(network.mapping.w_avg * (1 - psi) + psi * network.mapping(z))
    for index in range(2):
        wanted = stylegan2_drawn(generator, z[index], psi=psi)
        assert (got[index] - wanted).abs().max() < 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("classes", [0, 3])
def test_its_graph_draws_the_same_for_any_number(classes: int, tmp_path: Path) -> None:
    from gansample.runtimes.onnxruntime_module import import_onnxruntime

    generator = stylegan2(16, classes=classes, clamp=256.0)
    model = imported(tmp_path / "net.pkl", network_file(generator)).generator
    graph = export_graph(model)
    operations = {node.op_type for node in onnx.load_from_string(graph.model).graph.node}
    assert not operations & {"RandomNormal", "RandomNormalLike", "Loop"}
    session = import_onnxruntime().InferenceSession(graph.model)
    z = model.spec.latents(range(5))
    label = np.arange(5) % 3 if classes else None
    for n in (1, 5):
        feed = {"z": z[:n]} | ({"label": label[:n]} if label is not None else {})
        images = session.run(["images"], feed)[0].astype(int)
        for index in range(n):
            unbounded = stylegan2_drawn(
                generator, torch.from_numpy(z[index]).double(), int(label[index]) if label is not None else None
            )
            wanted = (unbounded.clamp(-1, 1) * 127.5 + 127.5).round().permute(1, 2, 0).numpy()
            assert np.abs(images[index] - wanted).max() <= 1
            assert (images[index] == wanted).mean() > 0.995


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_fact_is_told_by_the_file(protocol: int, tmp_path: Path) -> None:
    found = imported(tmp_path / "net.pkl", network_file(stylegan2(16, classes=3), protocol))
    spec, basis = found.generator.spec, found.generator.spec.basis
    assert (spec.latent_size, spec.height, spec.width, spec.channels) == (8, 16, 16, 3)
    assert (spec.distribution, spec.value_range, len(spec.classes)) == ("normal", "tanh", 3)
    assert {fact.known for fact in basis.facts} == {"told"}
    text = "\n".join(found.log.to_list())
    assert "'G_ema' of net.pkl (beside 'G', 'D'" in text
    assert "source text of its classes, which was not run" in text


def test_key_chooses_another_network(tmp_path: Path) -> None:
    data = network_file(stylegan2(16))
    assert imported(tmp_path / "net.pkl", data, key="G").generator.spec.height == 8
    with pytest.raises(UsageError, match="it has: 'G', 'D', 'G_ema'"):
        imported(tmp_path / "net.pkl", data, key="H")


@pytest.mark.parametrize("content", [{"weight": torch.ones(2)}, [1, 2], {"G_ema": {"net.weight": torch.ones(2, 2)}}])
def test_a_pickle_without_such_a_network_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="a pickle that torch did not write, loading it could run any code"):
        imported(tmp_path / "net.pkl", pickled(content))


def test_a_network_alone_is_read(tmp_path: Path) -> None:
    assert imported(tmp_path / "net.pkl", pickled(stylegan2(8))).generator.spec.height == 8


def test_seeded_noise_comes_with_the_latent(tmp_path: Path) -> None:
    found = imported(tmp_path / "net.pkl", network_file(stylegan2(8)), noise="seeded")
    assert found.generator.spec.latent_size == 8 + 16 + 2 * 64
    z = found.generator.spec.latents(range(2))
    other = z.copy()
    other[:, 8:] = 0
    pictures = [render(found.generator, each).unrounded for each in (z, other)]
    assert np.abs(pictures[0] - pictures[1]).max() > 1


def test_weights_in_half_precision_are_read(tmp_path: Path) -> None:
    generator = stylegan2(8)
    layer = generator["synthesis"]["b8"]["conv0"]
    layer.parameters = {**layer.parameters, "weight": layer["weight"].half()}
    network = network_in(tmp_path / "net.pkl", generator)
    z = latents(1)
    with torch.no_grad():
        assert (network(z)[0] - stylegan2_drawn(generator, z[0])).abs().max() < 1e-4


def test_its_weights_fill_a_class_of_the_user(tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_text(
        "import torch\n"
        "class G(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.net = torch.nn.Linear(8, 3 * 16 * 16)\n"
        "    def forward(self, z):\n"
        "        return self.net(z).tanh().reshape(-1, 3, 16, 16)\n",
        encoding="utf-8",
    )
    own = Module("Generator", modules={"net": Module("Linear", {"weight": torch.randn(768, 8), "bias": torch.zeros(768)})})
    found = imported(tmp_path / "net.pkl", network_file(own), generator=f"{source}:G")
    assert found.generator.spec.height == 16


def test_another_network_in_this_format_needs_its_class(tmp_path: Path) -> None:
    own = Module("Generator", modules={"synthesis": Module("Waves", {"phases": torch.ones(2, 2, 2)})})
    with pytest.raises(ArtefactError, match="pass its class: --generator"):
        imported(tmp_path / "net.pkl", network_file(own))


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "image": ({"image": (3, 32, 32)}, "--image 3x32x32: this StyleGAN2 draws 3x16x16"),
    "latent": ({"latent_shape": (9,)}, "--latent-shape 9: this StyleGAN2 takes 8"),
    "classes": ({"classes": 4}, "--classes 4: this StyleGAN2 has 3"),
    "chain": ({"chain": "z linear"}, "--chain describes a network"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_the_file_denies_is_refused(name: str, tmp_path: Path) -> None:
    options, message = OPTIONS[name]
    with pytest.raises(UsageError, match=message):
        imported(tmp_path / "net.pkl", network_file(stylegan2(16, classes=3)), **options)


def changed(change: Any) -> Module:
    generator = stylegan2(16)
    change(generator)
    return generator


def another_activation(generator: Module) -> None:
    generator["synthesis"]["b8"]["conv0"].attributes["activation"] = "swish"


def another_kind(generator: Module) -> None:
    generator["synthesis"]["b8"]["conv0"].kind = "WaveletLayer"


def no_clamp(generator: Module) -> None:
    del generator["synthesis"]["b8"]["conv0"].attributes["conv_clamp"]


def another_shape(generator: Module) -> None:
    layer = generator["synthesis"]["b8"]["conv0"]
    layer.parameters = {**layer.parameters, "bias": torch.ones(5)}


def not_a_number(generator: Module) -> None:
    layer = generator["synthesis"]["b8"]["conv0"]
    layer.parameters = {**layer.parameters, "bias": layer["bias"] * float("nan")}


def fewer_layers(generator: Module) -> None:
    generator.attributes["num_ws"] = 4


def two_channels(generator: Module) -> None:
    generator.attributes["img_channels"] = 2


def more_in_the_mapping(generator: Module) -> None:
    mapping = generator["mapping"]
    mapping.modules = {**mapping.modules, "attention": Module("Attention")}


def stylegan_xl(generator: Module) -> None:
    generator["mapping"].attributes["_init_kwargs"] = {"rand_embedding": False}


def xl_superresolution(generator: Module) -> None:
    generator.kind = "SuperresGenerator"


WRONG = {
    another_activation: "the activation 'swish'",
    another_kind: "b8.conv0 in net.pkl is a WaveletLayer, not a SynthesisLayer",
    no_clamp: "has no conv_clamp that can be read",
    another_shape: "b8.conv0.bias in net.pkl is 5, not 10",
    not_a_number: "hold NaN or infinity",
    fewer_layers: "as many layers as its num_ws",
    two_channels: "2 channels",
    more_in_the_mapping: "a part that StyleGAN has not: attention",
    stylegan_xl: "a StyleGAN-XL, which is not read",
    xl_superresolution: "a StyleGAN-XL, which is not read",
}


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change.__name__)
def test_a_network_that_is_another_is_refused(change: Any, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=WRONG[change]):
        imported(tmp_path / "net.pkl", network_file(changed(change)))


def test_no_kernel_is_made_for_a_picture(tmp_path: Path) -> None:
    network = network_in(tmp_path / "net.pkl", stylegan2(16))
    seen: list[int] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in (functional.conv2d, functional.conv_transpose2d):
                seen.append(id(args[1]))
            return func(*args, **(kwargs or {}))

    with Watch(), torch.no_grad():
        network(latents(2))
    constants = {id(each) for part in network.modules() for each in (*part.parameters(False), *part.buffers(False))}
    assert seen
    assert set(seen) <= constants
    assert isinstance(network, nn.Module)
