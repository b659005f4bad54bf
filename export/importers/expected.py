"""The author's own answer against ours (`--expect`): the same latents are drawn by what was read from the file.

Floats are the network's own output and are held to the gate of fp32, in half precision to that of fp16; 8-bit pictures may
differ by one step, for authors round in several ways. A match confirms what those pictures exercise, and nothing else.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from export.export_model import ExportModel, PixelHead, render
from export.importers.call_signature import GeneratorAdapter
from export.importers.expected_file import Expected
from gansample.bundle.basis import Basis
from gansample.bundle.fidelity import GATES, Fidelity, Gate, compare
from gansample.bundle.spec import Spec
from gansample.errors import ParityError, UsageError
from gansample.outputs.png import encode_png
from gansample.system.atomic import write_atomic
from gansample.types import Images

logger = logging.getLogger(__name__)

SHOWN = 8  # pairs in the picture of a mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The author's pictures beside ours, both uint8 (N, H, W, C), and what the gate says."""

    theirs: Images
    ours: Images
    fidelity: Fidelity
    failures: tuple[str, ...]
    basis: Basis
    """With what these pictures confirm."""


def confirm_with_author(generator: ExportModel, expected: Expected, out: Path) -> ExportModel:
    """The generator, its basis confirmed by the author's pictures.

    out  where the bundle is to be; the picture of a mismatch is written beside it.

    Raises ParityError where they differ; UsageError where labels are missing or unknown.
    """
    seen = compare_with_author(generator, expected)
    if seen.failures:
        page = out.with_name(f"{out.name}.expected.png")
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(page, side_by_side(seen))
        raise ParityError(
            f"{seen.fidelity.images} of the author's pictures are drawn differently ({'; '.join(seen.failures)})",
            f"no bundle was written; {page} has theirs left, ours right: correct what is assumed, or pass --generator",
        )
    logger.info(f"{seen.fidelity.images} of the author's pictures are drawn the same: max {seen.fidelity.max_step:.0f} steps")
    return ExportModel(generator.network, replace(generator.spec, basis=seen.basis))


def compare_with_author(generator: ExportModel, expected: Expected) -> Comparison:
    """Draw the author's latents and compare. Errors as `confirm_with_author`, where the shapes already differ."""
    spec = generator.spec
    _check_inputs(spec, expected)
    theirs, in_order = _pictures(generator, expected)
    label = expected.label if spec.classes is not None else None
    ours = render(generator.in_precision(torch.float32), expected.z, label).images
    floats = expected.out.dtype.kind == "f"
    gate = GATES["fp16" if expected.out.dtype == np.float16 else "fp32"] if floats else Gate(max_step=1)
    fidelity = compare(ours, theirs)
    basis = spec.basis if spec.basis is not None else Basis(facts=())
    still_open = {
        "picture": not in_order,
        "order of values": not in_order,
        # floats confirm the last activation, from which the range follows, but not what an unbounded output is clipped to
        "range": floats and not any(fact.name == "range" and "last activation" in fact.how for fact in basis.facts),
        "latent distribution": expected.distribution != spec.distribution,
        "classes": label is not None and len(np.unique(label)) < len(spec.classes or ()),
    }
    return Comparison(
        theirs=theirs,
        ours=ours,
        fidelity=fidelity,
        failures=tuple(gate.failures(fidelity)),
        basis=basis.confirmed(len(theirs), still_open={name for name, is_open in still_open.items() if is_open}),
    )


def _check_inputs(spec: Spec, expected: Expected) -> None:
    if expected.z.shape[1] != spec.latent_size:
        raise ParityError(
            f"{expected.source}: latents of {expected.z.shape[1]} components, this reading takes {spec.latent_size}",
            "say how it is called: --latent-shape, --classes, or its class with --generator",
        )
    if spec.classes is None:
        return
    if expected.label is None:
        raise UsageError(f"{expected.source} has no label, the generator takes one", "add label, int64 (N,)")
    if expected.label.min() < 0 or expected.label.max() >= len(spec.classes):
        labels = f"{expected.label.min()} to {expected.label.max()}"
        raise ParityError(
            f"{expected.source} has the labels {labels}, this reading {len(spec.classes)} classes", "pass --classes"
        )


def _pictures(generator: ExportModel, expected: Expected) -> tuple[Images, bool]:
    """The author's pictures as uint8 (N, H, W, C), and whether their shape shows the order of the values."""
    spec, out = generator.spec, expected.out
    size, n = (spec.channels, spec.height, spec.width), len(out)
    if out.size != n * spec.channels * spec.height * spec.width:
        theirs, ours = "×".join(map(str, out.shape[1:])), "×".join(map(str, size))
        raise ParityError(
            f"{expected.source} has pictures of {theirs}, this reading of the file gives {ours}",
            "pass --image CxHxW or its class",
        )
    channels_last = out.shape[1:] in ((*size[1:], size[0]), size[1:])
    in_order = channels_last or out.shape[1:] == size
    if channels_last or (not in_order and _flat_channels_last(generator)):
        pictures = out.reshape(n, *size[1:], size[0])
    else:
        pictures = out.reshape(n, *size).transpose(0, 2, 3, 1)
    if out.dtype == np.uint8:
        return np.ascontiguousarray(pictures), in_order
    planes = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32))
    return PixelHead(spec.value_range)(planes).round().to(torch.uint8).numpy(), in_order


def _flat_channels_last(generator: ExportModel) -> bool:
    network = generator.network
    return isinstance(network, GeneratorAdapter) and network.signature.layout == "flat HWC"


def side_by_side(seen: Comparison) -> bytes:
    """A PNG: in each row one of the author's pictures, and beside it ours."""
    pairs = np.concatenate([seen.theirs[:SHOWN], seen.ours[:SHOWN]], axis=2)
    return encode_png(np.concatenate(list(pairs), axis=0))
