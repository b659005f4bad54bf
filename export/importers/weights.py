"""Any torch or safetensors file as plain tensors on the CPU. Nothing is ever unpickled."""

import argparse
import collections
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.importers.file_kind import Kind, read_identified
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


def read_weights(path: Path) -> WeightsFile:
    """Read `path` with every tensor on the CPU, wherever it was saved (cuda, mps, …).

    Raises ArtefactError naming what the file is where it is no weights file, is damaged, or carries code;
    UsageError where another option reads it.
    """
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
        with torch.serialization.safe_globals(_harmless()):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damage surfaces as any of a dozen classes, from KeyError to RuntimeError
        raise _refusal(str(error), name) from error


def _refusal(reason: str, name: str) -> ArtefactError:
    """Why torch's restricted reader refused: foreign code in the pickle, or damage."""
    named = re.search(r"(?:Unsupported global: GLOBAL|Unsupported class|Unsupported operand|GLOBAL) ([\w.]+)", reason)
    if named is None and "weights_only" not in reason.lower():
        first = " ".join(reason.split())[:120]
        return ArtefactError(f"{name} is damaged or truncated ({first})", "copy or download it again")
    code = named.group(1) if named else "code"
    if code.partition(".")[0] in ("os", "posix", "nt", "subprocess", "builtins", "sys", "socket", "runpy", "shutil"):
        return ArtefactError(f"{name} calls {code} when it is loaded", "that is no weights file but an attack, delete it")
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
        getattr(np.dtypes, f"{word}DType") for word in ("Float16", "Float32", "Float64", "Int32", "Int64", "UInt8", "Bool")
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
