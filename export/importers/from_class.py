"""A class in the user's own file, built, and filled with the weights. The file's code runs, as --generator says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unicodedata import normalize

import torch
from torch import Tensor, nn

from export.importers.constructor import Construction, infer_kwargs
from export.importers.import_log import ImportLog
from export.importers.import_source import format_error, imported
from export.importers.match import compare, fitted, idle_statistics, nearest, shapes_of
from export.importers.state_dict import StateDict
from gansample.errors import ArtefactError, UsageError


def module_from_class(source: str, weights: StateDict, kwargs: Mapping[str, Any], log: ImportLog) -> nn.Module:
    """The module `source` names as `model.py:Class`, in eval mode with the weights.

    Raises UsageError where there is no such class or its arguments stay open, ArtefactError with a diff where weights differ.
    """
    path, class_name = split_source(source)
    build = _class(imported(path), class_name, path)
    name = f"{path.name}:{build.__name__}"
    construction, tensors = _constructed(build, kwargs, weights, name)
    built_with = ", ".join(f"{key}={value}" for key, value in construction.kwargs.items())
    if construction.mismatch.count:
        raise ArtefactError(
            f"the weights do not fit {name}({built_with}): {construction.mismatch.describe()}",
            "pass the arguments it was trained with as --kwargs, or the class it was trained as",
        )
    with torch.random.fork_rng():
        try:
            module = build(**construction.kwargs)
        except Exception as error:  # a foreign constructor may raise anything
            raise UsageError(f"{name}({built_with}) raises {format_error(error)}", "fix it, or pass --kwargs") from error
    under = fitted(tensors, shapes_of(module.state_dict()))
    if under.rivals:
        log.picked(f"the weights under {under.prefix!r} (those under {', '.join(map(repr, under.rivals))} would fit as well)")
    tensors = _without_idle(module, under.tensors, log)
    if weights.average is not None:
        tensors = weights.average.named(_averaged(module, len(weights.average.parameters)), tensors, weights.file)
    module.load_state_dict(tensors, strict=False)
    left = compare(shapes_of(tensors), shapes_of(module.state_dict()))
    assert left.count == 0, left
    inferred = f"{', '.join(construction.inferred)} from the shapes, " if construction.inferred else ""
    log.fact("layers", f"{name}({built_with})", "told", f"{inferred}the rest as the class says")
    return module.eval()


def _constructed(
    build: Callable[..., nn.Module], kwargs: Mapping[str, Any], weights: StateDict, name: str
) -> tuple[Construction, Mapping[str, Tensor]]:
    """The constructor's arguments, and the tensors that fit: the generator's, else those of a class that holds more."""
    if weights.whole is None:
        return infer_kwargs(build, kwargs, weights.tensors, weights.values, name), weights.tensors
    try:
        part = infer_kwargs(build, kwargs, weights.tensors, weights.values, name)
        if part.mismatch.count == 0:
            return part, weights.tensors
        whole = infer_kwargs(build, kwargs, weights.whole, weights.values, name)
    except UsageError:
        return infer_kwargs(build, kwargs, weights.whole, weights.values, name), weights.whole
    return (whole, weights.whole) if whole.mismatch.count == 0 else (part, weights.tensors)


def _without_idle(module: nn.Module, tensors: dict[str, Tensor], log: ImportLog) -> dict[str, Tensor]:
    """Without the running statistics of InstanceNorm layers that use none."""
    idle = [name for name in tensors if name in idle_statistics(module)]
    if idle:
        layers = len({name.rpartition(".")[0] for name in idle})
        counted = any(
            name.endswith("num_batches_tracked") for name in idle
        )  # written since PyTorch 0.4.1, by layers that use them
        how = "its class says track_running_stats=True if it was trained so" if counted else "PyTorch 0.3 saved them unused"
        log.fact(f"statistics of {layers} InstanceNorm layers", "unused", "assumed" if counted else "told", how)
    return {name: tensor for name, tensor in tensors.items() if name not in idle}


def _averaged(module: nn.Module, n: int) -> list[str]:
    """The module's parameters that an average of `n` tensors is of: all of them, or those that are trained."""
    every = list(module.named_parameters())
    return [name for name, parameter in every if len(every) == n or parameter.requires_grad]


def split_source(source: str) -> tuple[Path, str | None]:
    """`model.py:Class` -> (model.py, Class); the class may be left out. Raises UsageError for anything else."""
    head, colon, tail = source.rpartition(":")
    path, name = (Path(head), tail) if colon and tail.isidentifier() and head else (Path(source), None)
    if path.suffix != ".py":
        raise UsageError(f"--generator {source!r} is no Python file", "write it as model.py:Generator")
    if not path.is_file():
        raise UsageError(f"there is no file {path}", "write --generator as path/to/model.py:Generator")
    return path, normalize("NFKC", name) if name is not None else None  # as Python reads names


def _class(module: ModuleType, name: str | None, path: Path) -> Callable[..., nn.Module]:
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]
    names = tuple(c.__name__ for c in classes)
    if name is None:
        likely = [c for c in classes if c.__name__.lower() in ("generator", "g", "netg", "gen")] or classes
        if len(likely) != 1:
            raise UsageError(
                f"{path.name} has the classes {', '.join(names) or 'none'}",
                f"say which: --generator {path}:{names[0] if names else 'Generator'}",
            )
        return likely[0]
    found = getattr(module, name, None)
    if found is None or not callable(found):
        near = nearest(name, names)
        raise UsageError(
            f"{path.name} has no class {name!r}", f"did you mean {near}?" if near else f"it has: {', '.join(names) or 'none'}"
        )
    if isinstance(found, type) and not issubclass(found, nn.Module):
        raise UsageError(f"{path.name}:{name} is no torch.nn.Module", f"its modules are: {', '.join(names) or 'none'}")
    build: Callable[..., nn.Module] = found
    return build
