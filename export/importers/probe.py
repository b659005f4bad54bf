"""Which latents and labels a module takes and how it lays out pictures: found by calling it until a picture comes out."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from export.importers.call_signature import CallSignature, LabelEncoding, Layout, first_tensor, inputs
from export.importers.from_names.recognise import Size, flat_picture
from gansample.errors import ArtefactError, UsageError

TRIAL_BATCH = 5  # a number that no layer has
FIXED_BATCHES = (1, 2, 4, 8, 10, 16, 32, 50, 64, 100, 128, 256)
SPATIAL = (2, 4, 7, 8)
SMALLEST = 16  # pixels a side below which a picture is believed only if nothing larger comes
LATENT_NAMES = ("nz", "z_dim", "latent_dim", "latent_size", "z_size", "noise_dim", "noise_size", "dim_z", "latent", "zdim")
CLASS_NAMES = ("n_classes", "num_classes", "classes", "n_class", "num_class", "nclass")
# What PyTorch's errors say where a batch size is written into the code.
FIXED_BATCH_ERROR = r"shape '?\[|size of tensor|invalid for input|Sizes of tensors|batch|expand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known before the first call: from the command line, or from values beside the weights."""

    latent: tuple[int, ...] | None = None
    classes: int | None = None
    image: Size | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@torch.no_grad()
def find_signature(module: nn.Module, hints: Hints, name: str) -> CallSignature:
    """How to call `module` so that it draws.

    Raises ArtefactError saying what the module seems to be where no latent makes it draw a picture.
    """
    module.eval()
    arities = _arities(module)
    small: CallSignature | None = None
    errors: list[str] = []
    for batch in (None, *FIXED_BATCHES):
        for signature in _trials(module, hints, arities):
            drawn = _try_call(module, replace(signature, batch=batch), errors)
            found = _with_layout(drawn, replace(signature, batch=batch), hints.image) if drawn is not None else None
            if found is not None and (min(found.image[1:]) >= SMALLEST or hints.image is not None or hints.latent is not None):
                return found
            small = small or found
        if small is not None and batch is None:
            return small
        if batch is None and not _may_be_fixed(errors):
            break
    raise _no_generator(module, name, errors, hints)


def _trials(module: nn.Module, hints: Hints, arities: Sequence[int]) -> Iterator[CallSignature]:
    """Forms of the call, the likeliest first."""
    joined = hints.classes if hints.classes is not None else 0
    for arity in arities:
        for latent in _latents(module, hints):
            if arity == 1:
                if joined and latent[0] > joined:
                    yield CallSignature(latent=latent, label="joined onehot", classes=joined)
                else:
                    yield CallSignature(latent=latent)
            else:
                forms: tuple[LabelEncoding, ...] = ("index", "onehot", "onehot planes")
                for label in forms:
                    for classes in _class_counts(module, hints, latent[0], label):
                        yield CallSignature(latent=latent, label=label, classes=classes)


def _latents(module: nn.Module, hints: Hints) -> Iterator[tuple[int, ...]]:
    if hints.latent is not None:
        yield hints.latent
        if len(hints.latent) == 1:
            yield (*hints.latent, 1, 1)
        return
    sizes = [size for size in dict.fromkeys(_latent_sizes(module, hints)) if size > 1]  # a 1 would fit anything by broadcasting
    yield from ((size, *rest) for size in sizes for rest in ((), (1, 1)))
    yield from ((size, side, side) for side in SPATIAL for size in sizes if size > 4)
    yield from ((1, size) for size in sizes)


def _latent_sizes(module: nn.Module, hints: Hints) -> Iterator[int]:
    """Candidates for nz: what it is called, then the input widths of the layers, less what a label may take of them."""
    for source in (vars(module), hints.values):
        yield from (source[name] for name in LATENT_NAMES if type(source.get(name)) is int and source[name] > 0)
    widths, tables = _widths(module), _tables(module)
    taken = [width for _, width in tables]
    label_widths = [*taken, *(layer.out_features for layer in module.modules() if isinstance(layer, nn.Linear))]
    label_widths += [hints.classes] if hints.classes is not None else [10]
    some = len(widths) if not any(True for _ in module.children()) else 4  # a graph's tensors come in any order
    yield from (width - part for width in widths[:some] for part in taken if width > part)
    yield from widths[:some]
    yield from (width - part for width in widths[: max(2, some)] for part in label_widths if width > part)
    yield from (width // 2 for width in widths[:1])
    yield from widths[some:8]


def _widths(module: nn.Module) -> list[int]:
    """Input widths of the layers in order of registration; of a graph, all lengths of its matrices and kernels."""
    layers = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, nn.modules.conv._ConvNd))]
    widths = [layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels for layer in layers]
    if not widths:
        widths = [size for tensor in module.state_dict().values() if tensor.dim() in (2, 4) for size in tensor.shape[:2]]
    return list(dict.fromkeys(widths))


def _tables(module: nn.Module) -> list[tuple[int, int]]:
    """(rows, width) of every embedding."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Embedding)]
    return [*getattr(module, "tables", ()), *((layer.num_embeddings, layer.embedding_dim) for layer in layers)]


def _class_counts(module: nn.Module, hints: Hints, latent: int, label: LabelEncoding) -> list[int]:
    if hints.classes is not None:
        return [hints.classes]
    named = [source[name] for source in (vars(module), hints.values) for name in CLASS_NAMES if type(source.get(name)) is int]
    if label == "index":
        return list(dict.fromkeys([*(rows for rows, _ in _tables(module)), *named]))
    widths = _widths(module)
    apart = [width - latent for width in widths[:2]] + widths[:3]
    return [count for count in dict.fromkeys([*named, *apart]) if 1 < count <= 1000]


def _arities(module: nn.Module) -> list[int]:
    """How many inputs to try: what forward demands, then what it accepts."""
    if isinstance(arity := getattr(module, "arity", None), int):  # a graph says how many inputs it has
        return [arity]
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return [1, 2]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    demanded = sum(p.default is p.empty for p in positional)
    if demanded > 2:
        names = ", ".join(p.name for p in positional)
        raise ArtefactError(f"forward takes {demanded} inputs ({names})", "wrap it in a class whose forward takes z [, label]")
    conditional = any(isinstance(layer, nn.Embedding) for layer in module.modules())
    most = 2 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else min(len(positional), 2)
    arities = list(range(max(demanded, 1), most + 1))
    return arities[::-1] if conditional else arities


def _try_call(module: nn.Module, signature: CallSignature, errors: list[str]) -> Tensor | None:
    """What the module gives for one trial, None where it refuses them."""
    batch = signature.batch or TRIAL_BATCH
    if signature.latent_size < 1:
        return None
    z = torch.randn(batch, signature.latent_size, generator=torch.Generator().manual_seed(0))
    label = torch.arange(batch) % signature.classes if signature.classes is not None else None
    with torch.random.fork_rng():  # a forward that draws noise must not move the caller's stream
        try:
            return first_tensor(module(*inputs(signature, z, label)))
        except Exception as error:  # whatever forward raises, it does not take this
            errors.append(f"{type(error).__name__}: {' '.join(str(error).split())}")
            return None


def _with_layout(out: Tensor, signature: CallSignature, image: Size | None) -> CallSignature | None:
    """`form` with the layout and size of the picture in `out`, None where it is none."""
    batch = signature.batch or TRIAL_BATCH
    if not out.is_floating_point() or out.numel() % batch:
        return None
    shape = tuple(out.shape)
    if batch == 1 and len(shape) < 4 and shape[0] != 1:
        shape = (1, *shape)  # a squeezed batch of one
    if shape[0] != batch:
        return None
    for layout, size in _layouts(shape[1:], out, image):
        if image is None or size == image:
            return replace(signature, layout=layout, image=size)
    return None


def _layouts(shape: tuple[int, ...], out: Tensor, image: Size | None) -> Iterator[tuple[Layout, Size]]:
    match shape:
        case (c, h, w) if min(h, w) >= 8 and c in (1, 3, 4):
            yield "CHW", (c, h, w)
        case (h, w, c) if min(h, w) >= 8 and c in (1, 3, 4):
            yield "HWC", (c, h, w)
        case (h, w) if min(h, w) >= 8:
            yield "HW", (1, h, w)
        case (values,) if image is not None and values == image[0] * image[1] * image[2]:
            yield "flat CHW", image  # as the shape was told
        case (values,) if image is None:
            channels, side = flat_picture(values, None)
            if side:
                size = (channels, side, side)
                yield _flat_layout(out, size), size


def _flat_layout(out: Tensor, size: Size) -> Layout:
    """Whether the channels of a flat picture come first or last: neighbouring pixels are alike only in the right reading."""
    channels, height, width = size
    first = out.reshape(-1, channels, height, width)
    last = out.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    return "flat CHW" if channels == 1 or smoothness(first) >= smoothness(last) else "flat HWC"


def smoothness(pictures: Tensor) -> float:
    """Correlation of neighbouring pixels, across and down, of (N, C, H, W): −1..1, 0 for noise, above 0.5 for photos."""
    rows = torch.stack([pictures[..., :, 1:].flatten(), pictures[..., :, :-1].flatten()])
    columns = torch.stack([pictures[..., 1:, :].flatten(), pictures[..., :-1, :].flatten()])
    pairs = torch.cat([rows, columns], 1).double()
    return float(torch.corrcoef(pairs)[0, 1]) if float(pairs.std()) > 0 else 0.0


def _may_be_fixed(errors: Sequence[str]) -> bool:
    """Whether a failure may come from a batch size written into the code."""
    return any(re.search(FIXED_BATCH_ERROR, error) for error in errors)


def _no_generator(module: nn.Module, name: str, errors: Sequence[str], hints: Hints) -> ArtefactError | UsageError:
    """What the module seems to be instead."""
    for channels in (1, 3, 4):
        for side in (28, 32, 64, 128, 256):
            picture = torch.zeros(2, channels, side, side)
            for count in (1, 2):
                drawn = _call_or_none(module, (picture,) * count)
                if drawn is None:
                    continue
                takes = f"takes {count} {channels}×{side}×{side} picture{'s' * (count - 1)}"
                if drawn.dim() == 4 and drawn.shape[-1] > 8:
                    hint = "only generators that draw from a latent are exported"
                    return ArtefactError(f"{name} is an image-to-image network ({takes})", hint)
                gives = " × ".join(str(size) for size in drawn.shape[1:]) or "1"
                return ArtefactError(
                    f"{name} looks like a discriminator or classifier ({takes}, gives {gives} number)", "pass the generator"
                )
    for signature in _trials(module, hints, _arities(module)):
        drawn = _try_call(module, signature, [])
        if drawn is not None:
            wanted = "no {}×{}×{} picture".format(*hints.image) if hints.image else "no picture"
            return ArtefactError(
                f"{name} gives {tuple(drawn.shape)} for latents (N, {signature.latent[0]}), {wanted}",
                "pass --image CxHxW, or another class",
            )
    reason = errors[-1][:160] if errors else "it has no layer that could take a latent"
    hint = "say its shape: --latent-shape 100 or --latent-shape 16x4x4"
    return UsageError(f"found no latent that {name} takes ({reason})", hint)


def _call_or_none(module: nn.Module, pictures: tuple[Tensor, ...]) -> Tensor | None:
    try:
        return first_tensor(module(*pictures))
    except Exception:  # any failure means: it does not take that either
        return None
