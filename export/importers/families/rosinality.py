"""StyleGAN2 under the names of rosinality's stylegan2-pytorch, which many works that build on StyleGAN2 keep.

T. Karras et al., *Analyzing and Improving the Image Quality of StyleGAN*, 2020 (arXiv:1912.04958): the `skip` architecture.
The names say where each layer stands. What they do not say (the mapping's learning rate, which scales its weights, and ε) is
that of the publication. The mean style lies beside the weights (`latent_avg`) or is measured.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from export.importers.call_signature import CallSignature
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from export.importers.families.layers import FullyConnected
from export.importers.families.stylegan2 import (
    Block,
    NoiseInput,
    StyleGAN2,
    Synthesis,
    SynthesisLayer,
    ToPicture,
    doubled,
    layers_of,
)
from export.importers.families.stylegan2 import (
    Mapping as StyleMapping,
)
from gansample.latents import latents

RATE = 0.01  # the mapping's learning rate beside the rest: its weights are stored divided by it
GAIN = sqrt(2)
ZEROS = 4  # the gain of a filter that doubles the side; the file's filters have it multiplied in
AVERAGED = 4096  # seeds whose styles are averaged where the file keeps no mean


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    needed = {"input.input", "style.1.weight", "conv1.conv.modulation.weight", "conv1.noise.weight", "to_rgb1.conv.weight"}
    if not needed <= tensors.keys():
        return None
    enlarged, connected = _count(tensors, "to_rgbs", "bias"), _count(tensors, "style", "weight")
    side, size = 4 << enlarged, tensors["style.1.weight"].shape[-1]
    mean = hints.beside.get("latent_avg")
    kept = mean.reshape(-1) if mean is not None and mean.numel() == size else None
    noise: NoiseInput = "none" if hints.noise == "none" else "random" if hints.noise == "seeded" else "const"
    facts = [
        Stated(name="scale of the mapping", value=f"{RATE} of its weights"),
        Stated(name="activation", value="leaky ReLU of slope 0.2 and gain √2"),
        Stated(name="mean style", value="latent_avg", by="the file")
        if kept is not None
        else Stated(name="mean style", value=f"that of {AVERAGED:,} seeds", by="at psi 1 it changes nothing", known="measured"),
    ]
    if noise != "random":
        by = "--noise" if hints.noise is not None else "noises.*; --noise none or seeded says otherwise"
        facts.append(Stated(name="noise", value="none" if noise == "none" else "the file's own", by=by))
    return Reading(
        build=lambda: _network(tensors, enlarged, connected, noise, kept),
        tensors=tensors,
        expected=_shapes(tensors, enlarged, connected, size),
        signature=CallSignature(latent=(size,), image=(_width(tensors, "to_rgb1.conv.weight", 1), side, side)),
        value_range="tanh",
        noise_settled=noise != "random",
        stated=tuple(facts),
    )


def _count(tensors: Tensors, first: str, last: str) -> int:
    return sum(name.split(".")[0] == first and name.split(".")[2:] == [last] for name in tensors)


def _width(tensors: Tensors, name: str, dimension: int) -> int:
    found = tensors.get(name)
    return found.shape[dimension] if found is not None and found.dim() > dimension else 0


def _shapes(tensors: Tensors, enlarged: int, connected: int, size: int) -> Mapping[str, tuple[int, ...]]:
    """Every tensor that such a file has, given its sizes."""
    channels, pictures = [_width(tensors, "input.input", 1)], _width(tensors, "to_rgb1.conv.weight", 1)
    channels += [_width(tensors, f"convs.{2 * index}.conv.weight", 1) for index in range(enlarged)]
    taps = _width(tensors, "convs.0.conv.blur.kernel", 0)
    shapes: dict[str, tuple[int, ...]] = {"input.input": (1, channels[0], 4, 4)}
    for index in range(1, connected + 1):
        shapes |= {f"style.{index}.weight": (size, size), f"style.{index}.bias": (size,)}

    def modulated(at: str, outputs: int, inputs: int, kernel: int) -> None:
        shapes[f"{at}.conv.weight"] = (1, outputs, inputs, kernel, kernel)
        shapes[f"{at}.conv.modulation.weight"], shapes[f"{at}.conv.modulation.bias"] = (inputs, size), (inputs,)

    def layer(at: str, outputs: int, inputs: int) -> None:
        modulated(at, outputs, inputs, 3)
        shapes[f"{at}.noise.weight"], shapes[f"{at}.activate.bias"] = (1,), (outputs,)

    layer("conv1", channels[0], channels[0])
    shapes["noises.noise_0"] = (1, 1, 4, 4)
    for index, (before, after) in enumerate(pairwise(channels)):
        layer(f"convs.{2 * index}", after, before)
        layer(f"convs.{2 * index + 1}", after, after)
        shapes[f"convs.{2 * index}.conv.blur.kernel"] = shapes[f"to_rgbs.{index}.upsample.kernel"] = (taps, taps)
        for each in (2 * index + 1, 2 * index + 2):
            shapes[f"noises.noise_{each}"] = (1, 1, 8 << index, 8 << index)
    for at, inputs in zip(_pictures(enlarged), channels, strict=True):
        modulated(at, pictures, inputs, 1)
        shapes[f"{at}.bias"] = (1, pictures, 1, 1)
    return shapes


def _pictures(enlarged: int) -> list[str]:
    return ["to_rgb1", *(f"to_rgbs.{index}" for index in range(enlarged))]


def _network(tensors: Tensors, enlarged: int, connected: int, noise: NoiseInput, mean: Tensor | None) -> StyleGAN2:
    def affine(at: str) -> FullyConnected:
        weight = tensors[f"{at}.conv.modulation.weight"]
        return FullyConnected(weight / sqrt(weight.shape[1]), tensors[f"{at}.conv.modulation.bias"])

    def kernel(at: str) -> Tensor:
        weight = tensors[f"{at}.conv.weight"][0]
        return weight / sqrt(weight[0].numel())

    def layer(at: str, number: int) -> SynthesisLayer:
        taps, fixed = tensors.get(f"{at}.conv.blur.kernel"), tensors[f"noises.noise_{number}"][0, 0]
        strength = float(tensors[f"{at}.noise.weight"])
        return SynthesisLayer(
            affine(at), kernel(at), tensors[f"{at}.activate.bias"],
            taps=taps / ZEROS if taps is not None else None,
            noise=fixed * strength if noise == "const" else None,
            strength=strength if noise == "random" else None,
            resolution=len(fixed), gain=GAIN, clamp=None,
        )  # fmt: skip

    blocks = []
    for index, at in enumerate(_pictures(enlarged)):
        names = [("conv1", 0)] if index == 0 else [(f"convs.{number - 1}", number) for number in (2 * index - 1, 2 * index)]
        picture = ToPicture(affine(at), kernel(at), tensors[f"{at}.bias"].reshape(-1), None)
        taps = tensors.get(f"{at}.upsample.kernel")
        enlarge = doubled(taps / ZEROS, picture.bias.numel()) if taps is not None else None
        blocks.append(Block([layer(*name) for name in names], picture, None, enlarge))
    mapping = []
    for index in range(1, connected + 1):
        weight, bias = tensors[f"style.{index}.weight"], tensors[f"style.{index}.bias"]
        mapping.append(FullyConnected(weight * (RATE / sqrt(weight.shape[1])), bias * RATE, "lrelu"))
    styles = StyleMapping(mapping, None, mean, layers_of(blocks))
    if mean is None:
        with torch.no_grad():
            styles.w_avg = styles(torch.from_numpy(latents(range(AVERAGED), len(mapping[0].weight), "normal")))[:, 0].mean(0)
    return StyleGAN2(styles, Synthesis(tensors["input.input"][0], blocks))


FAMILY = Family(name="StyleGAN2 generator", source="Karras et al. 2020 (arXiv:1912.04958)", read=read)
