"""The tensors of a request in the Open Inference Protocol: read as they say they are, and checked against the generator."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gansample.bundle.spec import Spec, require_mapping
from gansample.bundle.style_mapping import MAX_PSI
from gansample.http.draw_request import check_size
from gansample.http.errors import ApiError, invalid_parameter
from gansample.http.settings import Settings
from gansample.latents import SEED_END, without_unit_axes
from gansample.sampling.styles import ToStylesAtPsi
from gansample.types import Labels, Latents, Psi, Rows, Styles

TYPES: dict[str, npt.DTypeLike] = {"FP32": "<f4", "INT64": "<i8"}


def read_tensors(header: dict[str, Any], raw: bytes) -> dict[str, npt.NDArray[Any]]:
    """Each input by name. Raises ApiError 422 for what is not as it says."""
    found: dict[str, npt.NDArray[Any]] = {}
    start = 0
    for tensor in header["inputs"]:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise ApiError(422, "an input has no name", param="inputs")
        name, kind, shape = tensor["name"], tensor.get("datatype"), tensor.get("shape")
        if name in found:
            raise ApiError(422, f"{name} is there twice", param=name)
        if not isinstance(kind, str) or kind not in TYPES:
            raise ApiError(422, f"{name} has datatype {kind}: FP32 or INT64", param=name)
        if not isinstance(shape, list) or not 1 <= len(shape) <= 4 or not all(type(size) is int and size > 0 for size in shape):
            raise ApiError(422, f"{name} has shape {shape}", param=name)
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is not None:
            if type(size) is not int or not 0 <= size <= len(raw) - start:
                raise ApiError(422, f"{name} says {size} bytes, and {len(raw) - start} are left", param=name)
            data, start = raw[start : start + size], start + size
            values: Any = np.frombuffer(data[: size - size % np.dtype(TYPES[kind]).itemsize], TYPES[kind])
        else:
            values = _from_json(name, kind, tensor.get("data"))
        if values.size != math.prod(shape):
            raise ApiError(422, f"{name} has {values.size} values, and shape {shape}", param=name)
        found[name] = values.reshape(shape)
    return found


def _from_json(name: str, kind: str, data: Any) -> npt.NDArray[Any]:
    try:
        values = np.asarray(data).ravel()
        if values.dtype.kind not in ("iu" if kind == "INT64" else "iuf"):  # text, null, true, or no rectangle of numbers
            raise ValueError
        with np.errstate(over="ignore"):  # what is too large for FP32 becomes infinite, which is refused
            return values.astype(TYPES[kind])
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise ApiError(422, f"{name} does not hold {kind} numbers", param=name) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferInputs:
    """What one request's tensors say is to be drawn, checked: latents, or the styles themselves."""

    z: Latents | None
    label: Labels | None
    psi: Psi | None
    w: Styles | None

    def __len__(self) -> int:
        return len(self.w if self.w is not None else self.z if self.z is not None else ())

    def rows(self, mapping: ToStylesAtPsi | None) -> tuple[Rows, Labels | None]:
        """Rows and labels for the engine; `mapping` is that of a generator that has one."""
        if self.w is not None:
            return self.w, None
        assert self.z is not None
        if mapping is None:
            return self.z, self.label
        return mapping(self.z, self.label, self.psi if self.psi is not None else 1.0), None


def check_tensors(spec: Spec, inputs: dict[str, npt.NDArray[Any]], settings: Settings) -> InferInputs:
    """Raises ApiError 422 for inputs that do not fit the generator or each other, 413 for too many."""
    known = {"z", "seed", "label"} if spec.mapping is None else {"z", "seed", "label", "psi", "w"}
    if unknown := sorted(inputs.keys() - known):
        if unknown[0] in ("psi", "w"):
            with invalid_parameter(unknown[0]):
                require_mapping(spec, unknown[0])
        raise ApiError(422, f"there is no input {unknown[0]}", param=unknown[0])
    sources = [name for name in ("seed", "z", "w") if name in inputs]
    if len(sources) != 1:
        raise ApiError(422, "give either seed or z" if spec.mapping is None else "give one of seed, z and w", param="inputs")
    n = len(inputs[sources[0]])
    check_size(n, spec, settings, param="inputs")
    if "w" in inputs:
        return InferInputs(z=None, label=None, psi=None, w=_styles(spec, inputs))
    z, label = _latents(spec, inputs, n)
    return InferInputs(z=z, label=label, psi=_psi(inputs["psi"], n) if "psi" in inputs else None, w=None)


def _styles(spec: Spec, inputs: dict[str, npt.NDArray[Any]]) -> Styles:
    w = inputs["w"]
    if also := sorted(inputs.keys() - {"w"}):
        raise ApiError(422, f"{also[0]} has no effect on styles that are given: leave it out", param=also[0])
    shape = spec.graph_input[1]
    if w.shape[1:] != shape or w.dtype.kind != "f" or not np.isfinite(w).all():
        raise ApiError(422, f"w is FP32 (N, {shape[0]}, {shape[1]}), every component finite", param="w")
    return np.ascontiguousarray(w, np.float32)


def _psi(given: npt.NDArray[Any], n: int) -> Psi:
    psi = given.reshape(-1)
    if len(psi) != n or psi.dtype.kind != "f" or not (np.abs(psi) <= MAX_PSI).all():
        raise ApiError(422, f"psi is FP32 (N, 1), each in -{MAX_PSI:g}..{MAX_PSI:g}", param="psi")
    return np.ascontiguousarray(psi, np.float32)


def _latents(spec: Spec, inputs: dict[str, npt.NDArray[Any]], n: int) -> tuple[Latents, Labels | None]:
    classes = len(spec.classes) if spec.classes is not None else None
    label: Labels | None = None
    if "label" in inputs:
        label = inputs["label"].reshape(-1).astype(np.int64)
        if classes is None or len(label) != n or not ((label >= 0) & (label < classes)).all():
            raise ApiError(422, f"label does not fit: {n} of 0..{(classes or 0) - 1}", param="label")
    if "seed" in inputs:
        seeds = inputs["seed"].reshape(-1)
        if len(seeds) != n or seeds.dtype.kind != "i" or not ((seeds >= 0) & (seeds < SEED_END)).all():
            raise ApiError(422, f"seed is INT64 (N, 1), each in 0..{SEED_END - 1}", param="seed")
        z = spec.latents([int(seed) for seed in seeds])
        return z, label if label is not None or classes is None else (seeds % classes).astype(np.int64)
    given = without_unit_axes(inputs["z"])
    if given.ndim != 2 or given.shape[1] != spec.latent_size or given.dtype.kind != "f" or not np.isfinite(given).all():
        raise ApiError(422, f"z is FP32 (N, {spec.latent_size}), every component finite", param="z")
    if classes is not None and label is None:
        raise ApiError(422, "z of a generator with classes needs label", param="label")
    return np.ascontiguousarray(given, np.float32), label
