"""From a generator to a verified bundle: export, check every variant's parity, and write only what passed."""

import json
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import numpy as np

import gansample
from export.bundle_writer.bom import BOM, bom_bytes
from export.bundle_writer.report import CheckedVariant, ExcludedVariant, model_card, report_html
from export.bundle_writer.write import npz_bytes, write_bundle
from export.effort import Effort, compared_latents
from export.export_model import ExportModel
from export.graph.compact import compact_weights, store_as_half
from export.graph.mapping_to_onnx import split
from export.graph.passes.measure import PassReport, optimise
from export.graph.to_onnx import check_size, export_graph
from export.importers.any_batch import for_any_batch
from export.parity.features import Features
from export.parity.graph_tensors import tensors_of
from export.parity.reference import Reference, render_reference
from export.parity.truncated import TruncatedPictures
from export.parity.verdict import ParityReport, check_parity
from export.speed import measured_speed
from export.variants import BUILDERS, Builder, BuiltVariant, VariantUnavailable, reason_of
from export.variants.timing_decisions import MEASURE_ALL, TimingDecisions
from gansample.bundle.open import GOLDENS
from gansample.bundle.spec import Spec, Variant
from gansample.bundle.style_mapping import MAPPING
from gansample.errors import ArtefactError, ParityError
from gansample.runtimes.styles import StyleRunner
from gansample.runtimes.tensorrt.receipt import BuildReceipt, build_receipt
from gansample.system.atomic import write_atomic
from gansample.system.memory import return_freed_memory

logger = logging.getLogger(__name__)

GOLDEN_SEEDS = 64
GOLDEN_BYTES = 18 * 2**20  # before compression, which noise does not yield to: golden.npz stays below 20 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """What became of every variant: the reports of those in the bundle, the reference first, and those left out."""

    reports: tuple[ParityReport, ...]
    left_out: tuple[ExcludedVariant, ...]


def build_bundle(
    generator: ExportModel,
    out: Path,
    builders: Mapping[str, Builder] = BUILDERS,
    features: Features | None = None,
    compact: bool = False,
    decisions: TimingDecisions = MEASURE_ALL,
    effort: Effort = "full",
) -> ExportResult:
    """Export `generator` into a bundle at `out` and return what became of every variant. Only what passes enters.

    builders   variant name -> builder; the first one builds the reference.
    features   what distributions are compared in (default: a fixed random network).
    compact    round the weights to half precision first, and store them so.
    decisions  what another export decided by timing, to be repeated here.
    effort     over how many latents variants are compared: see `export.effort`.

    Raises ParityError, and writes only a report, where the reference does not draw the pictures of PyTorch;
    ArtefactError where the generator itself is unusable; OutputError where the bundle cannot be written.
    """
    check_size(generator)
    generator = compact_weights(generator) if compact else generator
    logger.info(f"drawing the reference in {generator.reference_name}")
    reference = render_reference(generator, range(compared_latents(generator.spec, effort)), features, effort)
    check_reference(reference)  # before the export, whose tracer may fail on a generator that has collapsed
    return_freed_memory()
    logger.info("exporting to ONNX")
    parts = split(generator)
    drawn = parts.synthesis if parts is not None else generator
    generator = parts.whole if parts is not None else generator
    graph, passes = optimise(export_graph(drawn, for_any_batch), drawn.spec, decisions=decisions.passes)
    shipped = store_as_half(graph, drawn.spec) if compact else graph
    truncated = TruncatedPictures.draw(reference, parts.mapping) if parts is not None else None
    variants: list[Variant] = []
    checked: list[CheckedVariant] = []
    left_out: list[ExcludedVariant] = []
    files: dict[str, bytes] = {GOLDENS: golden_bytes(reference, truncated)}
    if parts is not None:
        files[MAPPING] = parts.mapping_file
    for name, build in builders.items():
        logger.info(f"{name}: building")
        try:
            built = build(drawn, graph if variants else shipped)
            return_freed_memory()
            logger.info(f"{name}: checking parity")
            variant = check_variant(built, reference, generator.spec, truncated)
        except Exception as error:  # a converter or a runtime may raise anything; the others go on without this one
            if not variants and not isinstance(error, VariantUnavailable):
                raise
            reason = reason_of(error)
            logger.info(f"{name}: NOT RUN, {reason}")
            left_out.append(ExcludedVariant(name=name, verdict="NOT RUN", reasons=(reason,)))
            continue
        checked.append(variant)
        if variant.report.verdict == "FAIL":
            if not variants:
                refuse(generator.spec, variant, reference, out)
            logger.info(f"{name}: FAIL, left out ({'; '.join(variant.report.failures)})")
            left_out.append(ExcludedVariant(name=name, verdict="FAIL", reasons=variant.report.failures))
            continue
        variants.append(variant_row(built, variant, passes if name == next(iter(builders)) else []))
        files |= built.files
        del built  # its sessions hold the activations of a batch while the next variant is built
        return_freed_memory()
    logger.info("writing the bundle")
    spec = with_tools(generator.spec)
    files["report.html"] = report_html(spec, checked, left_out, reference).encode()
    files["README.md"] = model_card(spec, variants).encode()
    files[BOM] = bom_bytes(spec, variants, files)
    write_bundle(out, spec, variants, files, [asdict(entry) for entry in left_out])
    passed = tuple(variant.report for variant in checked if variant.report.verdict == "PASS")
    return ExportResult(reports=passed, left_out=tuple(left_out))


def check_variant(
    built: BuiltVariant, reference: Reference, spec: Spec, truncated: TruncatedPictures | None = None
) -> CheckedVariant:
    """Parity of the very files that would ship, and their speed where this machine runs them as they are.

    truncated  what it must draw at other psi than 1, where the generator has a mapping.
    """
    with built.open() as opened:
        styled = StyleRunner(truncated.mapping, opened) if truncated is not None else None
        runner = styled or opened
        report = check_parity(
            runner.run,
            truncated.through_mapping(built.open_unrounded) if truncated is not None else built.open_unrounded,
            reference,
            variant=built.name,
            precision=built.precision,
            tensors=tensors_of(built.runtime, built.precision, built.files) if truncated is None else None,
        )
        if truncated is not None and styled is not None:
            report = truncated.check(report, styled, reference)
        runtime = f"{built.runtime} {version(built.runtime)}"
        return CheckedVariant(
            report=report,
            speed=measured_speed(runner, spec) if built.measured_here else None,
            runtime=runtime if built.measured_here else f"{runner.backend} ({runtime})",
            bytes=sum(map(len, built.files.values())),
            engines=(engine_receipt(built, spec),) if built.runtime == "onnxruntime" else (),
        )


def engine_receipt(built: BuiltVariant, spec: Spec) -> BuildReceipt:
    """What NVIDIA's builder says to the variant's graph; it needs no GPU."""
    receipt = build_receipt(next(iter(built.files.values())), spec)
    without = f", not for {' '.join(receipt.refused)}" if receipt.verdict == "BUILT" and receipt.refused else ""
    logger.info(f"{built.name}: GPU engine {receipt}{without}")
    return receipt


def refuse(spec: Spec, variant: CheckedVariant, reference: Reference, out: Path) -> NoReturn:
    """Write the failed reference's report beside where the bundle would be, and raise ParityError."""
    page = out.with_name(f"{out.name}.failed.html")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(page, report_html(spec, [variant], [], reference).encode())
    report = variant.report
    where = f"; first at {report.divergence.first}" if report.divergence else ""
    raise ParityError(
        f"the exported model does not draw the pictures of {report.reference} ({'; '.join(report.failures)}{where})",
        f"no bundle was written, see {page} and report this generator",
    )


def variant_row(built: BuiltVariant, checked: CheckedVariant, passes: Sequence[PassReport]) -> Variant:
    """The variant's row in bundle.json, with the receipt of the check that let it in."""
    return Variant(
        name=built.name,
        runtime=built.runtime,
        precision=built.precision,
        files=tuple(built.files),
        parity={**checked.report.to_dict(), "runtime": checked.runtime},
        speed=checked.speed.to_dict() if checked.speed is not None else {},
        engines=tuple(receipt.to_dict() for receipt in checked.engines),
        notes={**built.notes, **({"passes": [entry.to_dict() for entry in passes]} if passes else {})},
    )


def check_reference(reference: Reference) -> None:
    """Raise ArtefactError for a generator that draws NaN, or one picture for every latent."""
    if not reference.finite:
        raise ArtefactError("the generator draws NaN", "its weights are damaged or it diverged, use an earlier checkpoint")
    if all(np.array_equal(image, reference.images[0]) for image in reference.images):
        raise ArtefactError("the generator draws the same picture for every latent", "it has collapsed, train it again")


def golden_bytes(reference: Reference, truncated: TruncatedPictures | None = None) -> bytes:
    """golden.npz: seeds (n,), labels (n,) and the pictures uint8 (n, H, W, C) that the reference draws for them.

    64 of them; fewer where pictures are so large that the file would pass 20 MB, as from 512×512 on. Of a generator with a
    mapping they are half as many seeds, at psi 1 and at 0.7.
    """
    n = min(GOLDEN_SEEDS, len(reference.seeds), max(1, GOLDEN_BYTES // reference.images[0].nbytes))
    if truncated is not None:
        return npz_bytes(**truncated.goldens(reference, n))
    label = reference.label[:n] if reference.label is not None else np.zeros(n, np.int64)
    return npz_bytes(seeds=np.array(reference.seeds[:n], np.int64), label=label, images=reference.images[:n])


def with_tools(spec: Spec) -> Spec:
    """The spec with the versions of everything that took part in the export."""
    names = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")
    tools = {"gansample": gansample.__version__, "python": platform.python_version(), **{n: version(n) for n in names}}
    return Spec.from_json(json.dumps({**spec.to_dict(), "provenance": {**spec.provenance, "exported_with": tools}}), "spec")
