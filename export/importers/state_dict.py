"""Which of a file's dictionaries is the generator's state dict, and its names without the prefixes that wrappers left."""

from argparse import Namespace
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from export.importers.average import Average, averages_in, parameter_names
from export.importers.dictionary_names import is_loose, is_named, is_other, rank
from export.importers.foreign_objects import is_module, modules_in
from export.importers.import_log import ImportLog
from export.importers.name_order import in_order
from export.importers.weights import WeightsFile, carries_objects
from gansample.errors import ArtefactError, UsageError

Found = tuple[dict[str, Tensor], dict[str, Tensor] | None]  # a network's tensors, and the dictionary that it is a part of

# Under which names trainers keep their options.
OPTIONS = ("hyper_parameters", "hparams", "config", "cfg", "opt", "options", "args", "params", "model_args", "kwargs")

# What wrappers put before every name: DataParallel, torch.compile, accelerate, FSDP.
WRAPPERS = ("module.", "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.")


@dataclass(frozen=True, slots=True)
class StateDict:
    """A generator's tensors (float32 on the CPU) and the plain values that lay beside them (nz, ngf, epoch, …)."""

    tensors: Mapping[str, Tensor]
    key: str
    """Where in the file it lay, dotted; empty at the top."""
    values: Mapping[str, Any]
    file: str
    sha256: str
    average: Average | None = None
    """An average of these weights that has no names, to be taken in their place."""
    whole: Mapping[str, Tensor] | None = None
    """The dictionary of several networks from which these were taken, for a class that holds them all."""
    beside: Mapping[str, Tensor] = field(default_factory=dict)
    """Single tensors beside the generator's dictionary, as a mean style."""
    order_told: bool = True
    """Whether the order of the layers is the file's, or told by numbers in their names."""

    def averaged(self) -> "StateDict":
        """These weights with their average in their place. Raises UsageError where it does not fit their names."""
        if self.average is None:
            return self
        return replace(self, tensors=self.average.named(parameter_names(self.tensors), self.tensors, self.file), average=None)


def pick_state_dict(file: WeightsFile, log: ImportLog, key: str | None = None) -> StateDict:
    """The generator's state dict in `file`: `key` if given, else the best named one, EMA first.

    Raises ArtefactError where there is none or its weights hold NaN; UsageError where `key` is not there or the choice is open.
    """
    found = dict(_state_dicts(file.content))
    averages = dict(averages_in(file.content))
    objects = dict(modules_in(file.content))
    if not found and objects:
        raise carries_objects(next(iter(objects.values())), file.name, foreign=file.foreign)
    if not found:
        raise ArtefactError(
            f"{file.name} holds {_described(file.content)} and no state dict",
            "save one with: torch.save(G.state_dict(), 'gen.pth')",
        )
    if key is not None and key not in found and key not in averages:
        names = ", ".join(repr(name) for name in (*found, *averages))
        raise UsageError(f"{file.name} has no state dict {key!r}", f"it has: {names}")
    chosen = key if key in found else _chosen(found, file.name)
    better = [name for name in objects if not is_other(name) and rank(name) < rank(chosen)]
    if better and key is None:
        raise carries_objects(f"{objects[better[0]]} as {better[0]!r}", file.name, foreign=file.foreign)
    average = _average(averages, chosen, key, file.name)
    others = sorted(name for name in (*found, *averages) if name != chosen)
    if chosen or others:
        beside = f" (beside {', '.join(repr(name) for name in others[:6])})" if others else ""
        log.picked(f"the state dict {chosen!r} of {file.name}{beside}")
    if average is not None:
        log.picked(f"the average {average.key!r}, in the order of its parameters, and from {chosen!r} what has no average")
    rivals = [name for name in others if not is_other(name) and (average is None or name != average.key)]
    drawn = average.key if average is not None else chosen
    if key is not None:
        log.fact("weights", drawn or "the file's", "told", "--key")
    elif rivals or average is not None:
        log.fact("weights", drawn, "assumed", f"--key {chosen if average is not None else rivals[0]} says otherwise")
    else:
        log.fact("weights", drawn or "the file's", "told", "no other generator is in the file")
    part, around = found[chosen]
    _check_dense(around if around is not None else part, file.name)
    tensors = _as_float32(_unwrapped(part), log)
    _check_finite(tensors, file.name)
    tensors, order_told = (tensors, True) if file.ordered else in_order(tensors)
    return StateDict(
        tensors,
        key=chosen,
        values={**dict(_plain_values(file.config)), **dict(_plain_values(file.content))},
        file=file.name,
        sha256=file.sha256,
        average=average,
        whole=_as_float32(around, ImportLog()) if around is not None else None,
        beside=_beside(file.content) if chosen else {},
        order_told=order_told,
    )


def _beside(content: Any) -> dict[str, Tensor]:
    """Single tensors at the top of a file whose weights lie deeper."""
    found = content.items() if isinstance(content, Mapping) else ()
    return _as_float32({str(key): value for key, value in found if isinstance(value, Tensor)}, ImportLog())


def _average(averages: Mapping[str, tuple[Tensor, ...]], chosen: str, key: str | None, file: str) -> Average | None:
    """The average without names that is to be taken: the one asked for, or the only one beside raw weights."""
    if key is not None:
        return Average(key, averages[key], chosen) if key in averages else None
    if not averages or rank(chosen)[0] == 0:
        return None
    if len(averages) > 1:
        raise UsageError(f"{file} holds several averages of the weights", f"choose one with --key: {', '.join(averages)}")
    (name, parameters), *_ = averages.items()
    return Average(name, parameters, chosen)


def _chosen(found: Collection[str], file: str) -> str:
    usable = [name for name in found if not is_other(name)]
    if not usable:
        raise ArtefactError(
            f"{file} holds only {', '.join(repr(name) for name in found)}, no generator", "pass --key NAME if one of them is it"
        )
    best = min(rank(name) for name in usable)
    first = [name for name in usable if rank(name) == best]
    if len(first) > 1:
        raise UsageError(f"{file} holds several state dicts", f"choose one with --key: {', '.join(first)}")
    return first[0]


def _state_dicts(content: Any, at: str = "") -> Iterator[tuple[str, Found]]:
    """Every dictionary of named tensors; one that holds several networks side by side is given once per network."""
    if not isinstance(content, Mapping) or is_module(content):
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    inner = [
        found
        for key, value in content.items()
        if isinstance(key, str) and key not in ("state", "param_groups")  # those two are an optimizer's
        for found in _state_dicts(value, f"{at}.{key}" if at else key)
    ]
    beside = bool(inner) and not any("." in key for key in tensors)  # fixed noise, random state: no network of their own
    if any(value.dim() > 0 for value in tensors.values()) and not beside and not all(map(is_loose, tensors)):
        whole = _unwrapped(tensors)
        networks = _side_by_side(whole)
        if networks:
            yield from ((f"{at}.{name}" if at else name, (part, whole)) for name, part in networks.items())
        else:
            yield at, (tensors, None)
    yield from inner


def _side_by_side(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """{first name: tensors} for one dictionary that holds a generator beside other networks (Lightning, ema_pytorch)."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = tensor
    networks = {name: part for name, part in groups.items() if all(part)}
    if len(networks) == 1 and len(groups) == 1:  # one wrapper around all of them: `model.generator.…`
        (name, part), *_ = networks.items()
        return {f"{name}.{inner}": rest for inner, rest in _side_by_side(part).items()}
    named = all(is_named(name) for name in networks)
    return networks if len(networks) > 1 and named else {}


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what DataParallel, torch.compile and AveragedModel put before every name, in any nesting."""
    tensors = {name: tensor for name, tensor in tensors.items() if name != "n_averaged"}
    while prefix := next((p for p in WRAPPERS if tensors and all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    # torch.compile of an inner module leaves its prefix in the middle of the name
    return {name.replace("._orig_mod.", "."): tensor for name, tensor in tensors.items()}


def check_tensors(tensors: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """The same tensors, float32 and with a storage of their own. Raises ArtefactError where they hold no usable weights."""
    _check_dense(tensors, file)
    plain = _as_float32(tensors, ImportLog())
    _check_finite(plain, file)
    return plain


def _check_dense(tensors: Mapping[str, Tensor], file: str) -> None:
    """Raise ArtefactError for tensors that hold no weights: without values, few for many, or in a form nothing computes in."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_nested or tensor.is_meta:
            kind = (
                "on no device, without values" if tensor.is_meta else f"{str(tensor.layout).removeprefix('torch.')}, not dense"
            )
        elif tensor.numel() * tensor.element_size() > max(tensor.untyped_storage().nbytes(), 1 << 20):
            kind = f"of shape {tuple(tensor.shape)}, which repeats the few numbers that are in the file"
        elif tensor.dtype in _UNREADABLE:
            kind = f"{str(tensor.dtype).removeprefix('torch.')}, which PyTorch itself cannot convert"
        else:
            continue
        raise ArtefactError(f"{name} in {file} is {kind}", "save the weights as float32: G.float().state_dict()")


_UNREADABLE = {getattr(torch, name, None) for name in ("float4_e2m1fn_x2", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16")}


def _check_finite(tensors: Mapping[str, Tensor], file: str) -> None:
    bad = {
        n: int((~torch.isfinite(t)).sum()) for n, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()
    }
    if bad:
        name, count = next(iter(bad.items()))
        raise ArtefactError(
            f"{len(bad)} tensors in {file} hold NaN or infinity (first {name}: {count} of {tensors[name].numel()} values)",
            "the training diverged, use an earlier checkpoint",
        )


def _as_float32(tensors: Mapping[str, Tensor], log: ImportLog) -> dict[str, Tensor]:
    short = {
        str(t.dtype).removeprefix("torch.")
        for t in tensors.values()
        if (t.is_floating_point() and t.dtype != torch.float32) or t.is_quantized
    }
    if short:
        log.measured(f"weights were saved as {', '.join(sorted(short))}, computed in float32")
    return {name: _plain(tensor) for name, tensor in tensors.items()}


def _plain(tensor: Tensor) -> Tensor:
    """A float tensor as float32, whatever it was saved as; integers as they are."""
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous().clone()


def _plain_values(content: Any) -> Iterator[tuple[str, Any]]:
    """Numbers, words and shapes beside the weights, those of the options that a trainer keeps first: the file's own win."""
    content = vars(content) if isinstance(content, Namespace) else content
    if isinstance(content, Mapping):
        for name in OPTIONS:
            yield from _plain_values(content.get(name))
        for key, value in content.items():
            if isinstance(key, str) and (isinstance(value, (int, float, str)) or _is_shape(value)):
                yield key, list(value) if isinstance(value, tuple) else value


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and 0 < len(value) <= 4 and all(type(v) is int for v in value)


def _described(content: Any) -> str:
    if isinstance(content, Tensor):
        return f"one tensor of shape {tuple(content.shape)}"
    if isinstance(content, Mapping):
        keys = ", ".join(repr(key) for key in list(content)[:5])
        return f"a dictionary without tensors ({keys})" if keys else "an empty dictionary"
    return f"a {type(content).__name__}"
