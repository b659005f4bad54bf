"""The arguments of a generator's constructor, inferred by building it (without memory) until its shapes are the file's."""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from export.importers.match import Mismatch, compare, fitted, idle_statistics, shapes_of
from gansample.errors import UsageError

# Arguments about the device to run on: no tensor tells them, and an export always runs on the CPU.
DEVICE_ARGUMENTS: Mapping[str, Any] = {
    "ngpu": 0,
    "n_gpu": 0,
    "num_gpu": 0,
    "ngpus": 0,
    "device": "cpu",
    "gpu_ids": [],
    "use_cuda": False,
}
# Arguments that are a trainer's whole options: what lies beside the weights, or a JSON object of --kwargs.
OPTIONS = ("args", "opt", "opts", "options", "config", "cfg", "conf", "hparams", "params")
ROUNDS = 4
MOST_CANDIDATES = 48
HOPELESS = 10**6


class Options(dict[str, Any]):
    """A trainer's options, read as `args.nz` or as `args["nz"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the options hold no {name!r}") from None


@dataclass(frozen=True, slots=True)
class Construction:
    kwargs: dict[str, Any]
    inferred: tuple[str, ...]
    """Names whose values the shapes gave."""
    mismatch: Mismatch


def infer_kwargs(
    build: Callable[..., nn.Module],
    given: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    name: str,
) -> Construction:
    """Arguments with which `build` makes a module of the tensors' shapes; `given` ones are taken as they are.

    values  plain values that lay beside the weights: an argument of the same name starts from there.
    Raises UsageError naming the arguments that no shape tells.
    """
    parameters = _parameters(build, name)
    unknown = [key for key in given if key not in parameters and not _takes_any(build)]
    if unknown:
        raise UsageError(f"{name} has no argument {unknown[0]!r}", f"it takes: {', '.join(parameters) or 'none'}")
    free = {key: p for key, p in parameters.items() if key not in given}
    given = {key: Options(value) if isinstance(value, dict) and key in OPTIONS else value for key, value in given.items()}
    kwargs = dict(given)
    for key, parameter in free.items():
        if key in OPTIONS and parameter.default is parameter.empty and values:
            kwargs[key] = Options(values)
        elif key in values:
            kwargs[key] = values[key]
        elif key in DEVICE_ARGUMENTS and parameter.default is parameter.empty:
            kwargs[key] = DEVICE_ARGUMENTS[key]
    demanded = [key for key, p in free.items() if p.default is p.empty and key not in kwargs]
    trial = Trials(build, tensors)
    candidates = _candidates(tensors)
    for key in demanded:
        kwargs[key] = _first_guess(key, tensors)
    open_keys = [key for key, p in free.items() if key not in DEVICE_ARGUMENTS and (key in demanded or _is_size(p.default))]
    best = trial.count(kwargs)
    if best and not demanded and trial.count(given) == 0:  # its own defaults fit, values beside the weights do not
        best, kwargs = 0, dict(given)
    for _ in range(ROUNDS):
        before = best
        for key in open_keys:
            if best == 0:
                break
            for value in _values(key, free[key].default, candidates, _pictures(tensors)):
                count = trial.count({**kwargs, key: value})
                if count < best:
                    best, kwargs = count, {**kwargs, key: value}
        if best in (0, before):
            break
    mute = [key for key in demanded if best < HOPELESS and _is_mute(trial, kwargs, key, candidates)]
    if mute or best == HOPELESS:
        asked = mute or demanded or list(parameters)
        example = ", ".join(f'"{key}": …' for key in asked)
        reason = f" ({trial.error})" if best == HOPELESS and trial.error else ""
        raise UsageError(f"no tensor's shape tells {name}'s {', '.join(asked)}{reason}", f"pass --kwargs '{{{example}}}'")
    changed = tuple(key for key in open_keys if key in kwargs and (key in demanded or kwargs[key] != free[key].default))
    return Construction(kwargs, changed, trial.mismatch(kwargs))


class Trials:
    """Builds on the meta device, where a network of any size costs nothing."""

    def __init__(self, build: Callable[..., nn.Module], tensors: Mapping[str, Tensor]) -> None:
        self.build, self.tensors = build, tensors
        self.error = ""
        self.computes = False
        """Whether the constructor computes with its tensors, which the meta device cannot."""
        self.idle: frozenset[str] = frozenset()
        """Statistics that the module built last does without."""

    def count(self, kwargs: Mapping[str, Any]) -> int:
        """How many tensors do not fit; HOPELESS where it cannot even be built."""
        try:
            return self.mismatch(kwargs).count
        except Exception as error:  # a foreign constructor may raise anything for a wrong size
            self.error = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
            return HOPELESS

    def shapes(self, kwargs: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        try:
            return self._shapes(kwargs, "cpu" if self.computes else "meta")
        except (NotImplementedError, RuntimeError, TypeError) as error:
            if self.computes or not ("meta" in str(error) or "invalid combination of arguments" in str(error)):
                raise
            shapes = self._shapes(kwargs, "cpu")  # a constructor that computes with tensors (`int(torch.prod(…))`)
            self.computes = True
            return shapes

    def _shapes(self, kwargs: Mapping[str, Any], device: str) -> dict[str, tuple[int, ...]]:
        with torch.device(device), torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a wrong size does to foreign layers
            module = self.build(**kwargs)
        self.idle = idle_statistics(module)
        return shapes_of(module.state_dict())

    def mismatch(self, kwargs: Mapping[str, Any]) -> Mismatch:
        want = self.shapes(kwargs)
        return compare(shapes_of(fitted(self.tensors, want).tensors), want, self.idle)


def _parameters(build: Callable[..., nn.Module], name: str) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):
        raise UsageError(f"cannot read the arguments of {name}", "pass --kwargs") from None
    return {key: p for key, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _takes_any(build: Callable[..., nn.Module]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(build).parameters.values())


def _is_size(default: Any) -> bool:
    return (type(default) is int and default > 0) or (
        isinstance(default, (tuple, list)) and all(type(v) is int for v in default)
    )


def _candidates(tensors: Mapping[str, Tensor]) -> list[int]:
    """Sizes that occur in the tensors, the rarest-looking parts of them last: themselves, then their halves, quarters, …"""
    sizes = list(dict.fromkeys(size for tensor in tensors.values() for size in tensor.shape if size > 0))
    derived = [size // part for part in (2, 4, 8, 16, 32) for size in sizes if size % part == 0 and size // part > 1]
    squares = [round(size**0.5) for size in sizes if size > 64 and round(size**0.5) ** 2 == size]
    usual = [28, 32, 64, 128, 1, 3, 2, 4, 5, 6]
    widths = [size - other for size in sizes[:6] for other in sizes[:6] if 0 < size - other < 512]
    return list(dict.fromkeys([*sizes, *derived, *squares, *usual, *widths]))[:MOST_CANDIDATES]


def _values(key: str, default: Any, sizes: Sequence[int], pictures: Sequence[tuple[int, ...]]) -> list[Any]:
    """What to try for an argument: a shape for one that is called so or has one as its default, sizes for all others first."""
    if isinstance(default, (tuple, list)):
        return list(pictures)
    return [*pictures, *sizes] if _is_shape(key) else [*sizes, *pictures]


def _is_shape(key: str) -> bool:
    return "shape" in key.lower() or key.lower() in ("img_dim", "image_dim")


def _pictures(tensors: Mapping[str, Tensor]) -> list[tuple[int, int, int]]:
    """Picture shapes, for an argument like img_shape."""
    last = [tensor.shape for tensor in tensors.values() if tensor.dim() >= 1][-1:]
    channels = [size for size in (last[0][0] if last else 1, 1, 3) if size in (1, 3, 4)]
    flat = last[0][0] if last else 0  # of a network that ends in a Linear: the picture's pixels
    sides = [(c, round((flat / c) ** 0.5)) for c in (1, 3, 4)]
    exact = [(c, side, side) for c, side in sides if side > 4 and c * side * side == flat]
    return list(dict.fromkeys([*exact, *((c, side, side) for c in channels for side in (28, 32, 64, 16, 128))]))


def _first_guess(key: str, tensors: Mapping[str, Tensor]) -> Any:
    """A start for the search by what the argument is called."""
    word = key.lower()
    if _is_shape(key):
        return (_pictures(tensors) or [(1, 28, 28)])[0]
    weights = [tensor for tensor in tensors.values() if tensor.dim() in (2, 4)]
    if not weights:
        return 1
    first, last = weights[0], weights[-1]
    if word in (
        "nc",
        "channels",
        "img_channels",
        "n_channels",
        "out_channels",
        "channels_img",
        "output_dim",
        "im_chan",
        "image_channels",
    ):
        return min(last.shape[:2])
    return first.shape[1] if first.dim() == 2 else first.shape[0]


def _is_mute(trial: Trials, kwargs: Mapping[str, Any], key: str, candidates: Sequence[int]) -> bool:
    """Whether no shape depends on the argument, so that no shape can tell it."""
    now = trial.shapes(kwargs)
    others = [value for value in candidates[:8] if value != kwargs[key]]
    for value in others:
        if trial.count({**kwargs, key: value}) == HOPELESS or trial.shapes({**kwargs, key: value}) != now:
            return False
    return True
