"""Any torch, safetensors or pickle file as plain tensors on the CPU. No code in it is run: torch's restricted reader reads what
torch wrote, and `inert_pickle` what other people pickled.
"""

import argparse
import collections
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.importers.file_kind import Kind, read_identified
from export.importers.foreign_objects import is_module, load_with_stand_ins
from export.importers.inert_pickle import NotReadable, read_inert
from export.importers.pickle_globals import globals_in, holds_weights_only, is_attack
from export.importers.weights_folder import config_beside, parts_of, weights_in
from gansample.bundle.seal import digest
from gansample.errors import ArtefactError, UsageError


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file's content: nested dictionaries, lists and tensors on the CPU."""

    name: str
    sha256: str
    content: Any
    ordered: bool = True
    """Whether its tensors come in the order in which they were saved; safetensors do not."""
    foreign: bool = False
    """Whether it names code of others than torch, NumPy and collections. None of it was run."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The configuration beside it, as hubs keep it."""
    pickled: bool = False
    """Whether it is a pickle that torch did not write, read inertly: modules in it are records."""


def read_weights(path: Path) -> WeightsFile:
    """Read `path` with every tensor on the CPU, wherever it was saved (cuda, mps, …).

    A folder stands for the weights file in it, an index or one of several parts for all parts; their digest is then that of the
    parts' digests.

    Raises ArtefactError naming what the file is where it is no weights file, is damaged, or carries code;
    UsageError where another option reads it.
    """
    path = weights_in(path) if path.is_dir() else path
    parts = [_read_part(part) for part in parts_of(path)]
    if len(parts) == 1:
        return replace(parts[0], config=config_beside(path))
    content: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part.content, dict):
            raise ArtefactError(f"{part.name}, one part of {path.name}, holds no dictionary", "copy or download it again")
        content |= part.content
    together = digest("".join(part.sha256 for part in parts).encode())
    foreign = any(part.foreign for part in parts)
    return WeightsFile(path.name, together, content, parts[0].ordered, foreign, config_beside(path))


def _read_part(path: Path) -> WeightsFile:
    data, kind = read_identified(path)
    if kind in ("onnx", "torchscript"):
        raise UsageError(f"{path.name} is a whole {_NAMES[kind]} program", f"pass it as: --{kind} {path}")
    if kind == "pickle":
        return WeightsFile(path.name, digest(data), _inert(data, path.name), pickled=True, foreign=True)
    foreign = kind != "safetensors" and not holds_weights_only(globals_in(data))
    return WeightsFile(path.name, digest(data), _tensors(data, kind, path.name), kind != "safetensors", foreign)


_NAMES = {"onnx": "ONNX", "torchscript": "TorchScript"}


def _tensors(data: bytes, kind: Kind, name: str) -> Any:
    if kind == "safetensors":
        import safetensors.torch
        from safetensors import SafetensorError

        try:
            return safetensors.torch.load(data)
        except SafetensorError as error:
            raise ArtefactError(f"{name} is a damaged safetensors file ({error})", "copy or download it again") from None
    try:
        content = load_with_stand_ins(data, _harmless())
    except Exception as error:  # damage surfaces as any of a dozen classes, from KeyError to RuntimeError
        raise _refusal(str(error), name, globals_in(data)) from error
    if is_module(content):
        raise carries_objects(content.kind, name, foreign=not holds_weights_only(globals_in(data)))
    return content


def _inert(data: bytes, name: str) -> Any:
    try:
        found = read_inert(data)
    except NotReadable as error:
        raise ArtefactError(f"{name} is a pickle that torch did not write, and {error}", "copy or download it again") from error
    if attacks := sorted(filter(is_attack, found.names)):
        raise attacks_when_loaded(attacks[0], name)
    if any(TENSORFLOW.fullmatch(each) for each in found.names):
        raise ArtefactError(
            f"{name} holds TensorFlow networks, as the first StyleGAN and StyleGAN2 were published",
            "bring it into PyTorch's form first, with legacy.py of stylegan2-ada-pytorch or stylegan3",
        )
    return found.content


TENSORFLOW = re.compile(r"dnnlib\.tflib\.[\w.]+")


def attacks_when_loaded(function: str, name: str) -> ArtefactError:
    return ArtefactError(f"{name} calls {function} when it is loaded", "that is no weights file but an attack, delete it")


def _refusal(reason: str, name: str, names: set[str]) -> ArtefactError:
    """Why torch's restricted reader refused: foreign code in the pickle, or damage. names: all that the pickle names."""
    if attacks := sorted(filter(is_attack, names)):
        return attacks_when_loaded(attacks[0], name)
    named = re.search(r"(?:Unsupported global: GLOBAL|Unsupported class|GLOBAL) ([\w.]+)", reason)
    if named is None and "Unsupported operand" in reason:
        return ArtefactError(
            f"{name} is pickled in a way that torch's restricted reader does not read ({_first_words(reason)})",
            f"do not unpickle it unless you made it: {_SAVE_AGAIN}",
        )
    if named is None and "weights_only" not in reason.lower():
        return ArtefactError(f"{name} is damaged or truncated ({_first_words(reason)})", "copy or download it again")
    return carries_objects(named.group(1) if named else "code", name, foreign=not holds_weights_only(names))


_SAVE_AGAIN = "where it was trained, save the weights alone: torch.save(G.state_dict(), 'gen-weights.pth')"


def _first_words(reason: str) -> str:
    unsupported = re.search(r"Unsupported operand \d+", reason)
    return unsupported[0] if unsupported else " ".join(reason.split())[:120]


def carries_objects(code: str, name: str, *, foreign: bool) -> ArtefactError:
    """The refusal of a file whose generator is a pickled object of class `code`, and how to save its weights instead.

    foreign  whether it names code of others than torch, NumPy and collections: then nobody is told how to run it.
    """
    if foreign:
        return ArtefactError(
            f"{name} carries Python objects ({code}), not only tensors, and is never unpickled: that runs the code it names",
            f"do not unpickle it unless you made it; {_SAVE_AGAIN}",
        )
    return ArtefactError(
        f"{name} carries Python objects ({code}), not only tensors, and is never unpickled",
        "if you trust it, save its weights where it was trained: import torch; "
        f"G = torch.load({name!r}, weights_only=False); torch.save(G.state_dict(), 'gen-weights.pth') "
        "(where G is a dict, take the generator out of it first)",
    )


def _harmless() -> list[Any]:
    """What checkpoints hold beside tensors and what only rebuilds plain values: NumPy scalars and arrays, argparse options."""
    from numpy._core.multiarray import _reconstruct, scalar

    numeric = [
        getattr(np.dtypes, f"{word}DType")
        for word in (
            "Float16",
            "Float32",
            "Float64",
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "UInt8",
            "UInt16",
            "UInt32",
            "UInt64",
            "Bool",
            "Str",
        )
    ]
    return [
        argparse.Namespace,
        collections.defaultdict,
        np.dtype,
        np.ndarray,
        *numeric,
        *(
            (function, f"numpy.{core}.multiarray.{function.__name__}")
            for core in ("core", "_core")
            for function in (_reconstruct, scalar)
        ),
    ]
