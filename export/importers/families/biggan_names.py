"""BigGAN's files as people have them: of BigGAN-PyTorch, and of pytorch-pretrained-biggan, which converted TensorFlow's."""

import re
from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import normalize

from export.importers.call_signature import CallSignature
from export.importers.families.biggan import RGB, Generator, Plan, layer_count
from export.importers.families.family import Family, Hints, Reading, Stated, Tensors
from export.importers.families.spectral_norm import folded, matrix

EPS, CONVERTED_EPS = 1e-5, 1e-4  # of BatchNorm in the two
SIDE = 4  # of the first feature maps
# BatchNorm that averages over processes keeps its statistics one level deeper, one of two ways with a counter.
STATISTICS = re.compile(r"\.bn\.(?:stored|running)_(mean|var)$")
COUNTERS = (".bn.accumulation_counter", ".bn.num_batches_tracked")
CONVERTED = {
    "snconv1x1_theta": "theta",
    "snconv1x1_phi": "phi",
    "snconv1x1_g": "g",
    "snconv1x1_o_conv": "o",
    "scale": "gain",
    "offset": "bias",
    "running_means": "stored_mean",
    "running_vars": "stored_var",
    **{f"bn_{i}": f"bn{i + 1}" for i in range(4)},
    **{f"conv_{i}": f"conv{i + 1}" for i in range(4)},
}


def read(tensors: Tensors, hints: Hints) -> Reading | None:
    """A generator of BigGAN-PyTorch: BigGAN, BigGAN-deep, SAGAN."""
    own = {STATISTICS.sub(r".stored_\1", name): tensor for name, tensor in tensors.items() if not name.endswith(COUNTERS)}
    if not {"blocks.0.0.bn1.gain.weight", "blocks.0.0.bn1.stored_mean", "linear.weight", "output_layer.0.gain"} <= own.keys():
        return None
    return _reading(_flat(_divided(own)), EPS, ())


def read_converted(tensors: Tensors, hints: Hints) -> Reading | None:
    """A BigGAN-deep of pytorch-pretrained-biggan, at truncation 1."""
    if not {"embeddings.weight", "generator.layers.0.bn_0.running_means", "generator.bn.running_means"} <= tensors.keys():
        return None
    own = {}
    for name, tensor in folded(tensors).items():
        own[_converted(name.removeprefix("generator."))] = tensor[-1] if "running_" in name else tensor
    own["shared.weight"] = own.pop("embeddings.weight").transpose(0, 1)
    if (weight := own.get("linear.weight")) is not None:
        own["linear.weight"] = _channels_first(weight)
        own["linear.bias"] = _channels_first(own["linear.bias"])
    eps, by = hints.told("eps", CONVERTED_EPS)
    rows = tensors["generator.bn.running_means"].shape[0]
    kept = Stated(name="BatchNorm's statistics", value=f"those of truncation 1, the last of {rows}")
    return _reading(own, float(eps), (kept,), by)


def _reading(own: Mapping[str, Tensor], eps: float, stated: tuple[Stated, ...], eps_by: str = "") -> Reading | None:
    """The reading of tensors under this project's names; None where they are too few to tell it."""
    table, first, norm = own.get("shared.weight"), own.get("linear.weight"), own.get("layers.0.bn1.gain.weight")
    if first is None or norm is None or "output_conv.weight" not in own:
        return None
    deep = "layers.0.conv4.weight" in own
    blocks = [i for i in range(layer_count(own)) if f"layers.{i}.gamma" not in own]
    if table is None:
        classes, taken, chunk = norm.shape[0], first.shape[1], None
    else:
        classes, embedded = table.shape
        joined_width = norm.shape[1]
        chunk = first.shape[1] if not deep and joined_width == embedded + first.shape[1] else None
        taken = first.shape[1] - embedded if deep else first.shape[1] * (len(blocks) + 1 if chunk is not None else 1)
    enlarging = frozenset(blocks[1::2] if deep else blocks)
    side = SIDE * 2 ** len(enlarging)
    condition = classes if table is None else norm.shape[1]
    plan = Plan(side=SIDE, enlarging=enlarging, eps=eps, chunk=chunk, joined=deep, condition=condition)
    known = [
        Stated(name="activation", value="ReLU behind each BatchNorm"),
        Stated(name="last activation", value="tanh"),
        Stated(name="eps of BatchNorm", value=f"{eps:g}", by=eps_by),
        *stated,
    ]
    if deep:
        known.append(Stated(name="enlargement", value="every second block"))
    return Reading(
        build=lambda: Generator(own, plan),
        tensors=own,
        signature=CallSignature(latent=(taken,), label="index", classes=classes, image=(RGB, side, side)),
        value_range="tanh",
        stated=tuple(known),
    )


def _divided(tensors: Tensors) -> dict[str, Tensor]:
    """Every weight over its singular value, as BigGAN-PyTorch finds it: one step of the power iteration from u0."""
    found = dict(tensors)
    for name in [name for name in tensors if name.endswith(".u0")]:
        path = name.removesuffix("u0")
        weight = tensors.get(f"{path}weight")
        if weight is None or tensors[name].shape != (1, weight.shape[0]):
            continue
        rows = matrix(weight.double())
        v = normalize(tensors[name].double() @ rows)
        u = normalize(v @ rows.T)
        found[f"{path}weight"] = (weight.double() / (v @ rows.T @ u.T).squeeze()).float()
        for gone in ("u0", "sv0"):
            found.pop(path + gone, None)
    return found


def _flat(tensors: Tensors) -> dict[str, Tensor]:
    """With `layers.N` in the place of `blocks.I.J`, and the names of the output layer."""
    places = sorted({tuple(map(int, name.split(".")[1:3])) for name in tensors if re.match(r"blocks\.\d+\.\d+\.", name)})
    flat: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if found := re.match(r"blocks\.(\d+)\.(\d+)\.", name):
            name = f"layers.{places.index((int(found[1]), int(found[2])))}.{name[found.end() :]}"
        flat[name.replace("output_layer.0.", "output_norm.").replace("output_layer.2.", "output_conv.")] = tensor
    return flat


def _converted(name: str) -> str:
    if name.startswith("bn."):
        name = name.replace("bn.weight", "bn.gain").replace("bn.", "output_norm.", 1)
    name = name.replace("conv_to_rgb.", "output_conv.").replace("gen_z.", "linear.")
    return ".".join(CONVERTED.get(part, part) for part in name.split("."))


def _channels_first(rows: Tensor) -> Tensor:
    """Rows of the first layer, which gives (4, 4, C), such that it gives (C, 4, 4)."""
    channels = rows.shape[0] // SIDE**2
    return rows.reshape(SIDE, SIDE, channels, *rows.shape[1:]).movedim(2, 0).reshape(rows.shape).contiguous()


SOURCE = "Brock et al. 2019 (arXiv:1809.11096)"
FAMILY = Family(name="BigGAN generator", source=f"{SOURCE} and github.com/ajbrock/BigGAN-PyTorch", read=read)
CONVERTED_FAMILY = Family(name="BigGAN-deep generator", source=f"{SOURCE} and pytorch-pretrained-biggan", read=read_converted)
