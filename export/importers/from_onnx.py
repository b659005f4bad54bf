"""A foreign ONNX file as a module that draws what ONNX Runtime draws with it.

The graph is brought into one form, made to take any batch size, and compared with the untouched file. Whatever ONNX Runtime
runs goes in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from export.importers.onnx_batch import free_batch
from export.importers.onnx_canonical import (
    FLOATS,
    Feed,
    canonical,
    observed_shapes,
    session,
    with_explicit_pads,
    without_unread,
)
from export.importers.onnx_dynamic_quantised import is_dynamically_quantised, quantised_by_picture
from export.importers.onnx_file import read_onnx, tensors_of
from export.importers.onnx_float64 import evaluator
from export.importers.onnx_network import AS_RUN, FLOAT64, RUNTIME, FileCall, OnnxNetwork
from gansample.errors import ArtefactError

AGREE = 1e-3  # of the picture's span: two float32 computations of a deep network differ by less
AGREE_HALF = 5e-2  # and a computation in half precision from one in float32
TRIAL_BATCHES = (3, 1, 2, 4, 5, 8, 10, 16, 32, 50, 64, 100, 128, 256)
PROVEN_AT = (1, 2, 5)
# Rounding to integers is what these graphs mean: in float64 they would draw something else than they do anywhere.
QUANTISED = ("QuantizeLinear", "QLinear", "Integer", "QGemm", "QAttention")

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    network: OnnxNetwork
    sha256: str
    values: Mapping[str, Any]
    """Hints for calling it."""
    findings: tuple[str, ...]
    """What was found out on the way, to be logged."""


def network_from_onnx(path: Path) -> ForeignGraph:
    """The graph in `path` as a module that draws the same.

    Raises ArtefactError for external data elsewhere, unknown domains, damage, or inputs that are no latent [and label].
    """
    file = read_onnx(path)
    given = _inputs(file.model, path.name)
    original = _Original(file.model, given, path.name)
    try:
        model = _with_free_inputs(canonical(file.model))
        model = with_explicit_pads(model, observed_shapes(model, original.canonical_feed))
    except Exception as error:  # the converter and ONNX Runtime have classes of their own
        reason = " ".join(str(error).split())[:140]
        raise ArtefactError(f"{path.name} cannot be brought to opset 18 and float32 ({reason})", "export it again") from error
    model, findings = _for_any_batch(model, original, path.name)
    if any(tensor.data_type in FLOATS[:2] for tensor in tensors_of(file.model.graph)):
        findings += ("its weights are half precision; it is drawn in float32",)
    if len(file.model.graph.output) > 1:
        findings += (f"of {len(file.model.graph.output)} outputs {original.output} is the picture, the largest",)
    reference = RUNTIME if is_dynamically_quantised(file.model) else _reference(model, original)
    if reference != FLOAT64:
        findings += (f"the reference is {reference}: float64 does not apply to this graph",)
    network = OnnxNetwork(without_unread(model), original.call, reference)
    hints = {"latent_shape": _latent(given[0]), "n_classes": _classes(model)}
    return ForeignGraph(network, file.sha256, hints, findings)


class _Original:
    """The untouched file in ONNX Runtime, and a batch that it takes."""

    def __init__(self, model: onnx.ModelProto, inputs: list[onnx.ValueInfoProto], name: str) -> None:
        self.inputs = inputs
        self.half = any(tensor.data_type in FLOATS[:2] for tensor in tensors_of(model.graph))
        error: Exception | None = None
        declared = _dims(inputs[0])[:1]
        try:
            self.session = session(model)
        except Exception as refused:  # ONNX Runtime's classes share no base
            raise _cannot_run(name, refused) from refused
        for self.batch in (declared[0],) if declared and declared[0] else TRIAL_BATCHES:
            self.feed = self.latents(self.batch)
            try:
                values = self.session.run(None, self.feed)
                break
            except Exception as refused:
                error = error or refused
        else:
            assert error is not None
            raise _cannot_run(name, error) from error
        outputs = [output.name for output in self.session.get_outputs()]
        tensors = {key: value for key, value in zip(outputs, values, strict=True) if isinstance(value, np.ndarray)}
        self.output = max(tensors, key=lambda key: (tensors[key].ndim, tensors[key].size))
        self.drawn = tensors[self.output]

    @property
    def call(self) -> FileCall:
        kinds = [helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name for value in self.inputs]
        return FileCall(
            inputs=tuple(zip((value.name for value in self.inputs), kinds, strict=True)),
            output=self.output,
            batch=None if self.batch > 1 and self.takes(self.batch + 1) else self.batch,
            keeps_batch=np.shape(self.drawn)[:1] == (self.batch,),
            label_column=len(self.inputs) > 1 and _dims(self.inputs[1])[1:] == [1],
        )

    @property
    def canonical_feed(self) -> dict[str, Array]:
        return {key: _single(value) for key, value in self.feed.items()}

    def latents(self, n: int, seed: int = 0) -> dict[str, Array]:
        """n latents and labels of 0, in the types that the file declares."""
        stream, feed = np.random.RandomState(seed), {}
        for value in self.inputs:
            shape = [n, *(size or 1 for size in _dims(value)[1:])] if _dims(value) else []
            dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            is_float = value.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT, *FLOATS)
            feed[value.name] = stream.standard_normal(shape).astype(dtype) if is_float else np.zeros(shape, dtype)
        return feed

    def draws_alone(self) -> bool:
        """Go on in batches of one, where the file takes them."""
        if not self.takes(1):
            return False
        self.batch, self.feed = 1, self.latents(1)
        self.drawn = np.asarray(self.session.run([self.output], self.feed)[0])
        return True

    def takes(self, n: int) -> bool:
        """Whether the file itself draws n pictures at once."""
        try:
            drawn = self.session.run([self.output], self.latents(n))[0]
        except Exception:  # any failure means: it does not
            return False
        return bool(np.shape(drawn)[:1] == (n,))

    def pictures(self, feed: Feed) -> Array:
        """(N, P), drawn in batches that the file takes; N is a multiple of those."""
        n = len(next(iter(feed.values())))
        parts = [
            self.session.run([self.output], {key: value[start : start + self.batch] for key, value in feed.items()})[0]
            for start in range(0, n, self.batch)
        ]
        return np.concatenate([np.asarray(part, np.float64).reshape(self.batch, -1) for part in parts])


def _for_any_batch(model: onnx.ModelProto, original: _Original, name: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """`model`, or it freed of its batch size and of what its batch measures; proven against the file."""
    findings: tuple[str, ...] = ()
    if is_dynamically_quantised(model) and original.draws_alone():
        model = quantised_by_picture(model, observed_shapes(model, original.canonical_feed))
        findings = ("it quantises by what is in the batch: each picture is drawn as the file draws it alone",)
    if _draws(model, original):
        return model, findings
    if original.takes(original.batch + 1):
        raise ArtefactError(f"in {name} a picture depends on the others of its batch", "drop what mixes the batch")
    try:
        freed = free_batch(model, original.batch, observed_shapes(model, original.canonical_feed))
    except Exception as error:  # a foreign graph may hold anything
        raise _one_batch(name, original.batch) from error
    if not _draws(freed, original):
        raise _one_batch(name, original.batch)
    return freed, (
        *findings,
        f"it takes batches of {original.batch} only, its graph was freed of that number",
    )


def _draws(model: onnx.ModelProto, original: _Original) -> bool:
    """Whether the graph draws the file's pictures for batches of all sizes."""
    feed = original.latents(original.batch * -(-max(PROVEN_AT) // original.batch), seed=1)
    wanted = original.pictures(feed)
    bound = (AGREE_HALF if original.half else AGREE) * (float(np.ptp(wanted)) or 1.0)
    try:
        run = session(model).run
        for n in (*PROVEN_AT, len(wanted)):
            drawn = run([original.output], {key: _single(value[:n]) for key, value in feed.items()})[0]
            if (
                np.shape(drawn)[:1] != (n,)
                or not np.abs(np.asarray(drawn, np.float64).reshape(n, -1) - wanted[:n]).max() <= bound
            ):
                return False
    except Exception:  # any failure means: not for this batch
        return False
    return True


def _reference(model: onnx.ModelProto, original: _Original) -> str:
    """What the reference pictures are computed with: float64 where it means the same and can be had."""
    if any(part in node.op_type for node in model.graph.node for part in QUANTISED):
        return AS_RUN
    feed = {key: value[:2] for key, value in original.latents(original.batch + 1, seed=1).items()}
    single = {key: _single(value) for key, value in feed.items()}
    wanted = np.asarray(session(model).run([original.output], single)[0], np.float64)
    try:
        wide = {key: value.astype(np.float64) if value.dtype == np.float32 else value for key, value in single.items()}
        drawn = evaluator(model, original.output)(wide)
    except Exception:  # an operator of ONNX Runtime's own, or one that the standard's evaluator lacks
        return RUNTIME
    agree = drawn.shape == wanted.shape and float(np.abs(drawn - wanted).max()) <= AGREE * (float(np.ptp(wanted)) or 1.0)
    return FLOAT64 if agree else RUNTIME


def _inputs(model: onnx.ModelProto, name: str) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in constants]
    if len(given) not in (1, 2):
        names = ", ".join(value.name for value in given) or "none"
        raise ArtefactError(f"{name} has {len(given)} inputs ({names})", "a generator takes a latent [and a label]")
    return sorted(given, key=lambda value: value.type.tensor_type.elem_type not in (onnx.TensorProto.FLOAT, *FLOATS))


def _with_free_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Inputs in the order latent, label, their first size free."""
    inputs = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in _inputs(model, "")]
    for value in inputs:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def _latent(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    sizes = _dims(value)[1:]
    return tuple(size for size in sizes if size) if sizes and all(sizes) else None


def _classes(model: onnx.ModelProto) -> int | None:
    """Rows of the table that the label looks up, or the width of a one-hot label."""
    if len(model.graph.input) < 2:
        return None
    rows = {tensor.name: tensor.dims[0] for tensor in model.graph.initializer if tensor.dims}
    labels = {model.graph.input[1].name}
    for node in model.graph.node:
        if node.op_type in ("Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Identity") and node.input[0] in labels:
            labels.update(node.output)
        if node.op_type == "Gather" and node.input[1] in labels and node.input[0] in rows:
            return int(rows[node.input[0]])
    sizes = _dims(model.graph.input[1])
    return sizes[1] if len(sizes) > 1 and sizes[1] and sizes[1] > 1 else None


def _dims(value: onnx.ValueInfoProto) -> list[int | None]:
    return [size.dim_value or None for size in value.type.tensor_type.shape.dim]


def _single(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype.kind not in "iub" else value


def _cannot_run(name: str, error: Exception) -> ArtefactError:
    reason = " ".join(str(error).split())[:140]
    return ArtefactError(f"{name} cannot be run ({reason})", "export it again, ONNX Runtime must run it")


def _one_batch(name: str, batch: int) -> ArtefactError:
    return ArtefactError(
        f"{name} takes batches of {batch} only, and draws something else where its batch size is replaced",
        "export it with a dynamic batch size",
    )
