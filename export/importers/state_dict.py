"""Which of a file's dictionaries is the generator's state dict, and its names without the prefixes that wrappers left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from export.importers.import_log import ImportLog
from export.importers.weights import WeightsFile
from gansample.errors import ArtefactError, UsageError

# Best first. An average of the weights draws the better pictures (Yazıcı et al. 2019), so it goes before the raw generator.
# fmt: off
EMA = {
    "g_ema", "ema", "ema_model", "generator_ema", "gen_ema", "netg_ema", "ema_generator", "ema_g", "model_ema", "gs",
    "averaged",
}
GENERATOR = {
    "generator", "g", "netg", "gen", "generator_state", "generator_state_dict", "g_state_dict", "g_state",
    "gen_state_dict", "netg_state_dict", "net_g", "model_g", "generator_model", "g_model", "decoder", "online_model",
}
NEUTRAL = {
    "state_dict", "model", "model_state_dict", "model_state", "params", "weights", "net", "network", "module",
}
OTHERS = {
    "discriminator", "disc", "d", "netd", "net_d", "critic", "encoder", "netc", "optim", "opt", "scheduler", "sched",
}
# fmt: on
WRAPPERS = ("module.", "_orig_mod.")


@dataclass(frozen=True, slots=True)
class StateDict:
    """A generator's tensors (float32 on the CPU) and the plain values that lay beside them (nz, ngf, epoch, …)."""

    tensors: Mapping[str, Tensor]
    key: str
    """Where in the file it lay, dotted; empty at the top."""
    values: Mapping[str, Any]
    file: str
    sha256: str


def pick_state_dict(file: WeightsFile, log: ImportLog, key: str | None = None) -> StateDict:
    """The generator's state dict in `file`: `key` if given, else the best named one, EMA first.

    Raises ArtefactError where there is none or its weights hold NaN; UsageError where `key` is not there or the choice is open.
    """
    found = dict(_state_dicts(file.content))
    if not found:
        raise ArtefactError(
            f"{file.name} holds {_described(file.content)} and no state dict",
            "save one with: torch.save(G.state_dict(), 'gen.pth')",
        )
    chosen = _chosen(found, file.name, key)
    others = sorted(name for name in found if name != chosen)
    if chosen or others:
        beside = f" (beside {', '.join(repr(name) for name in others[:6])})" if others else ""
        log.picked(f"the state dict {chosen!r} of {file.name}{beside}")
    tensors = _unwrapped(found[chosen])
    _check_finite(tensors, file.name)
    return StateDict(_as_float32(tensors, log), chosen, dict(_plain_values(file.content)), file.name, file.sha256)


def _chosen(found: Mapping[str, Mapping[str, Tensor]], file: str, key: str | None) -> str:
    if key is not None:
        if key not in found:
            raise UsageError(f"{file} has no state dict {key!r}", f"it has: {', '.join(repr(name) for name in found)}")
        return key
    usable = [name for name in found if not _is_other(name)]
    if not usable:
        raise ArtefactError(
            f"{file} holds only {', '.join(repr(name) for name in found)}, no generator", "pass --key NAME if one of them is it"
        )
    best = min(_rank(name) for name in usable)
    first = [name for name in usable if _rank(name) == best]
    if len(first) > 1:
        raise UsageError(f"{file} holds several state dicts", f"choose one with --key: {', '.join(first)}")
    return first[0]


def _rank(name: str) -> tuple[int, int]:
    words = [word.lower() for word in name.split(".")] if name else []
    for rank, names in enumerate((EMA, GENERATOR)):
        if any(word in names for word in words):
            return rank, 0
    if any("ema" in word.split("_") for word in words):
        return 0, 1
    if any(word.startswith(("gen", "g_", "netg")) for word in words):
        return 1, 1
    return (2, 0) if not words or words[-1] in NEUTRAL else (3, 0)


def _is_other(name: str) -> bool:
    words = [word.lower() for word in name.split(".")] if name else []
    return any(
        word in OTHERS or word.startswith(("disc", "critic", "optim", "netd", "d_", "opt_")) or word.endswith("optimizer")
        for word in words
    )


def _state_dicts(content: Any, at: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dictionary of named tensors; one that holds several networks side by side is given once per network."""
    if not isinstance(content, Mapping):
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if any(value.dim() > 0 for value in tensors.values()):
        networks = _side_by_side(tensors)
        if networks:
            yield from ((f"{at}.{name}" if at else name, part) for name, part in networks.items())
        else:
            yield at, tensors
    for key, value in content.items():
        if isinstance(key, str) and key not in ("state", "param_groups"):  # those two are an optimizer's
            yield from _state_dicts(value, f"{at}.{key}" if at else key)


def _side_by_side(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """{first name: tensors} for one dictionary that holds a generator beside other networks (Lightning, ema_pytorch)."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = tensor
    networks = {name: part for name, part in groups.items() if all(part)}
    named = [name for name in networks if name.lower() in EMA | GENERATOR or _is_other(name)]
    return networks if len(networks) > 1 and len(named) == len(networks) else {}


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what DataParallel, torch.compile and AveragedModel put before every name, in any nesting."""
    tensors = {name: tensor for name, tensor in tensors.items() if name != "n_averaged"}
    while prefix := next((p for p in WRAPPERS if tensors and all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    # torch.compile of an inner module leaves its prefix in the middle of the name
    return {name.replace("._orig_mod.", "."): tensor for name, tensor in tensors.items()}


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
        str(t.dtype).removeprefix("torch.") for t in tensors.values() if t.is_floating_point() and t.dtype != torch.float32
    }
    if short:
        log.measured(f"weights were saved as {', '.join(sorted(short))}, computed in float32")
    return {name: (t.float() if t.is_floating_point() else t).detach().contiguous().clone() for name, t in tensors.items()}


def _plain_values(content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
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
