"""Any torch or safetensors file as plain tensors on the CPU. torch's restricted reader alone reads it: no code in it is run."""

import argparse
import collections
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from export.importers.file_kind import Kind, read_identified
from export.importers.foreign_objects import DANGEROUS, is_module, load_with_stand_ins
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
    config: Mapping[str, Any] = field(default_factory=dict)
    """The configuration beside it, as hubs keep it."""


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
    return WeightsFile(path.name, together, content, parts[0].ordered, config_beside(path))


def _read_part(path: Path) -> WeightsFile:
    data, kind = read_identified(path)
    if kind in ("onnx", "torchscript"):
        raise UsageError(f"{path.name} is a whole {_NAMES[kind]} program", f"pass it as: --{kind} {path}")
    return WeightsFile(path.name, digest(data), _tensors(data, kind, path.name), ordered=kind != "safetensors")


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
        raise _refusal(str(error), name) from error
    if is_module(content):
        raise carries_objects(content.kind, name)
    return content


def _refusal(reason: str, name: str) -> ArtefactError:
    """Why torch's restricted reader refused: foreign code in the pickle, or damage."""
    named = re.search(r"(?:Unsupported global: GLOBAL|Unsupported class|Unsupported operand|GLOBAL) ([\w.]+)", reason)
    if named is None and "weights_only" not in reason.lower():
        first = " ".join(reason.split())[:120]
        return ArtefactError(f"{name} is damaged or truncated ({first})", "copy or download it again")
    code = named.group(1) if named else "code"
    if code.partition(".")[0] in DANGEROUS:
        return ArtefactError(f"{name} calls {code} when it is loaded", "that is no weights file but an attack, delete it")
    return carries_objects(code, name)


def carries_objects(code: str, name: str) -> ArtefactError:
    """The refusal of a file whose generator is a pickled object of class `code`, and how to save its weights instead."""
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
