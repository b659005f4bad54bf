"""A foreign ONNX file as a module that draws what ONNX Runtime draws with it.

The graph is brought into one form, made to take any batch size, and compared with the untouched file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.importers.noise import Noise
from export.importers.onnx_batch import free_batch
from export.importers.onnx_canonical import (
    FLOATS,
    canonical,
    observed_shapes,
    session,
    with_explicit_pads,
    without_unread,
)
from export.importers.onnx_dynamic_quantised import is_dynamically_quantised, quantised_by_picture
from export.importers.onnx_file import read_onnx, tensors_of
from export.importers.onnx_float64 import evaluator
from export.importers.onnx_network import AS_RUN, FLOAT64, RUNTIME, OnnxNetwork
from export.importers.onnx_noise import random_operations, without_noise
from export.importers.onnx_original import OriginalGraph, in_float32, inputs_of, sizes_of
from gansample.errors import ArtefactError, UsageError

AGREE = 1e-3  # of the picture's span: two float32 computations of a deep network differ by less
AGREE_HALF = 5e-2  # and a computation in half precision from one in float32
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
    noise: frozenset[str]
    """The random operations that were replaced."""


def network_from_onnx(path: Path, noise: Noise | None = None) -> ForeignGraph:
    """The graph in `path` as a module that draws the same.

    noise  what takes the place of noise that it draws; None refuses it where it moves the picture.

    Raises ArtefactError for external data elsewhere, unknown domains, damage, or inputs that are no latent [and label];
    UsageError where `noise` finds none.
    """
    file = read_onnx(path)
    original, random = _without_noise(OriginalGraph(file.model, path.name), noise)
    try:
        model = _with_free_inputs(canonical(original.model))
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
    hints = {"latent_shape": _latent(original.inputs[0]), "n_classes": _classes(model)}
    return ForeignGraph(network, file.sha256, hints, findings, frozenset(random))


def _without_noise(original: OriginalGraph, noise: Noise | None) -> tuple[OriginalGraph, set[str]]:
    """The graph without random operations, and the names of those that it had."""
    random = random_operations(original.model)
    if not random:
        if noise is not None:
            raise UsageError("--noise: the graph draws none", "leave it out")
        return original, random
    if noise == "seeded":
        raise UsageError("--noise seeded: an ONNX graph takes the latents that it has", "pass --noise none or --noise fixed")
    quiet = without_noise(original.model, noise or "none", original.feed)
    kept = random_operations(quiet)
    if kept or (noise is None and not np.array_equal(original.pictures(original.feed), original.pictures(original.feed))):
        raise ArtefactError(
            f"the same latent gives another picture each time ({', '.join(sorted(kept or random))} in the graph)",
            "a picture must follow from its latent: "
            + ("make the noise part of the latent" if kept else "pass --noise none or --noise fixed"),
        )
    return OriginalGraph(quiet, original.name), random


def _for_any_batch(model: onnx.ModelProto, original: OriginalGraph, name: str) -> tuple[onnx.ModelProto, tuple[str, ...]]:
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


def _draws(model: onnx.ModelProto, original: OriginalGraph) -> bool:
    """Whether the graph draws the file's pictures for batches of all sizes."""
    feed = original.latents(original.batch * -(-max(PROVEN_AT) // original.batch), seed=1)
    wanted = original.pictures(feed)
    bound = (AGREE_HALF if original.half else AGREE) * (float(np.ptp(wanted)) or 1.0)
    try:
        run = session(model).run
        for n in (*PROVEN_AT, len(wanted)):
            drawn = run([original.output], {key: in_float32(value[:n]) for key, value in feed.items()})[0]
            if (
                np.shape(drawn)[:1] != (n,)
                or not np.abs(np.asarray(drawn, np.float64).reshape(n, -1) - wanted[:n]).max() <= bound
            ):
                return False
    except Exception:  # any failure means: not for this batch
        return False
    return True


def _reference(model: onnx.ModelProto, original: OriginalGraph) -> str:
    """What the reference pictures are computed with: float64 where it means the same and can be had."""
    if any(part in node.op_type for node in model.graph.node for part in QUANTISED):
        return AS_RUN
    feed = {key: value[:2] for key, value in original.latents(original.batch + 1, seed=1).items()}
    single = {key: in_float32(value) for key, value in feed.items()}
    wanted = np.asarray(session(model).run([original.output], single)[0], np.float64)
    try:
        wide = {key: value.astype(np.float64) if value.dtype == np.float32 else value for key, value in single.items()}
        drawn = evaluator(model, original.output)(wide)
    except Exception:  # an operator of ONNX Runtime's own, or one that the standard's evaluator lacks
        return RUNTIME
    agree = drawn.shape == wanted.shape and float(np.abs(drawn - wanted).max()) <= AGREE * (float(np.ptp(wanted)) or 1.0)
    return FLOAT64 if agree else RUNTIME


def _with_free_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Inputs in the order latent, label, their first size free."""
    inputs = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in inputs_of(model, "")]
    for value in inputs:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def _latent(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    sizes = sizes_of(value)[1:]
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
    sizes = sizes_of(model.graph.input[1])
    return sizes[1] if len(sizes) > 1 and sizes[1] and sizes[1] > 1 else None


def _one_batch(name: str, batch: int) -> ArtefactError:
    return ArtefactError(
        f"{name} takes batches of {batch} only, and draws something else where its batch size is replaced",
        "export it with a dynamic batch size",
    )
