"""The steps from NNCF's model to the one that ships, each kept only where it draws nearer to float32.

A step is measured on latents that nothing was calibrated on. It is dropped as well where a picture of a stretched latent comes
near the gate: a range that fits the seeds cuts off what only tails reach.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from openvino import Model

from export.effort import fewer
from export.export_model import cycled_labels
from export.graph.passes.equalise import equalise_channels
from export.graph.passes.latent_matmul import latent_matmul
from export.graph.passes.rewrite import apply
from export.graph.to_onnx import ExportedGraph
from export.parity.reference import parity_latents
from export.variants import openvino_model
from export.variants.base import CALIBRATION_SEEDS, VariantUnavailable
from export.variants.int8.keep_float import infer_unrounded, keep_float, mean_squares, restore_layers
from export.variants.int8.layers import channel_ranges, quantised_layers
from export.variants.int8.phases import ChosenForm, choose_form
from export.variants.int8.ranges import fit_ranges
from export.variants.int8.round_weights import refit_all
from export.variants.int8.with_nncf import quantise, without_idle_quantisers
from export.variants.int8.wrong_kernel import wrongly_computed
from export.variants.timing_decisions import KEEP_FLOAT
from gansample.bundle.fidelity import GATES, psnr_db
from gansample.bundle.spec import Spec
from gansample.errors import UsageError
from gansample.types import Labels, Latents

logger = logging.getLogger(__name__)

CALIBRATED_ON = 256  # latents, and 32 stretched ones; more move the fidelity by less than 0.1 dB
TESTED_ON = 64  # other latents
MARGIN = 3.0  # dB above the gate for a single picture: the search for the worst latent goes further than the tails tried here


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The model after one step, both figures in dB against float32, rounded to two decimals."""

    name: str
    psnr_db: float
    worst_tail_db: float
    """Of the stretched latent that is drawn worst."""
    dropped_at: float | None = None
    """What the step would have given, where it was dropped."""
    layers: tuple[str, ...] | None = None
    """The layers that stay in float, for the step that chooses them."""
    speed: float | None = None
    """Speed with those layers in float, relative to all of them quantised."""

    def to_dict(self) -> dict[str, Any]:
        figures = {"step": self.name, "psnr_db": self.psnr_db, "worst_tail_db": self.worst_tail_db}
        details = {
            "dropped_at": self.dropped_at,
            "layers": list(self.layers) if self.layers is not None else None,
            "speed": self.speed,
        }
        return figures | {name: value for name, value in details.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The model as it ships, but with both outputs."""

    model: Model
    form: ChosenForm
    steps: list[Step]


class StepSelection:
    """Decides about one step after the other, by what its model draws in the form that ships."""

    def __init__(self, spec: Spec, float_model: Model, form: ChosenForm) -> None:
        self.form = form
        self.steps: list[Step] = []
        n = fewer(spec, TESTED_ON, least=4)
        self._z, self._label = spec.latents(CALIBRATION_SEEDS[-n:]), cycled_labels(spec, n)
        z, conditions = parity_latents(spec, CALIBRATION_SEEDS[-n:])
        self._tails = z[conditions["tails"]]
        self._tails_label = cycled_labels(spec, len(self._tails))
        self._expected = infer_unrounded(float_model, self._z, self._label, "f32")
        self._expected_tails = infer_unrounded(float_model, self._tails, self._tails_label, "f32")

    def keeps(self, name: str, model: Model, layers: tuple[str, ...] | None = None, speed: float | None = None) -> bool:
        """Whether `model` draws nearer to float32 than the last model that was kept, and no tail near its gate."""
        model = self.form(model)
        decibels = psnr_db(float(mean_squares(model, self._z, self._label, self._expected).mean()))
        worst = psnr_db(float(mean_squares(model, self._tails, self._tails_label, self._expected_tails).max()))
        last = self.steps[-1] if self.steps else None
        safe = worst >= GATES["int8"].worst_psnr_db + MARGIN
        kept = last is None or (decibels > last.psnr_db and (safe or worst > last.worst_tail_db))
        logger.info(f"openvino-int8: {name}, {decibels:.1f} dB{'' if kept else ', dropped'}")
        if kept or last is None:
            step = Step(name=name, psnr_db=round(decibels, 2), worst_tail_db=round(worst, 2), layers=layers, speed=speed)
        else:
            step = Step(name=name, psnr_db=last.psnr_db, worst_tail_db=last.worst_tail_db, dropped_at=round(decibels, 2))
        self.steps.append(step)
        return kept


def tune(spec: Spec, graph: ExportedGraph, float_layers: Sequence[str] | None = None, phases: bool | None = None) -> Tuned:
    """The int8 model, and what each step brought.

    float_layers  the layers that are not quantised, as another export of this generator chose them; None measures.
    phases        whether transposed convolutions are computed as their phases, likewise.

    Raises VariantUnavailable where nothing can be quantised; UsageError for float layers of another generator.
    """
    z, conditions = parity_latents(spec, CALIBRATION_SEEDS[: calibrated_on(spec)])
    z = z[: conditions["tails"].stop]  # tails take part, so that ranges reach as far as they do
    label = cycled_labels(spec, len(z))
    debug_graph = onnx.load_from_string(graph.debug_graph)
    # As a matrix product the first layer costs so little that it can stay float32, and the latents are never rounded.
    debug_graph = apply(debug_graph, latent_matmul(debug_graph))
    float_model: Model = openvino_model.read(debug_graph.SerializeToString())
    model = _quantise(float_model, z, label)
    if not list(quantised_layers(model)):
        raise VariantUnavailable("NNCF quantises none of this generator's layers")
    form = choose_form(model, z, label, phases)
    selection = StepSelection(spec, float_model, form)
    selection.keeps("nncf", model)
    if selection.keeps("no idle quantisers", tried := without_idle_quantisers(model, float_model)):
        model = tried
    equal = equalise_channels(debug_graph, lambda name: channel_ranges(float_model, name, z, label))
    float_equal = openvino_model.read(equal.SerializeToString())
    if selection.keeps("equalise", tried := without_idle_quantisers(_quantise(float_equal, z, label), float_equal)):
        model, float_model = tried, float_equal
    if float_layers is None:
        tried, chosen, speed = keep_float(model, float_model, form, z[:64], label[:64] if label is not None else None)
        kept = selection.keeps(KEEP_FLOAT, tried, layers=chosen.layers, speed=round(speed, 3))
    else:
        names = {layer.node.get_friendly_name() for layer in quantised_layers(model)}
        if unknown := sorted(set(float_layers) - names):
            raise UsageError(f"--like: this generator has no layer {unknown[0]}", "pass a bundle of the same generator")
        tried = restore_layers(model, float_model, float_layers)
        kept = selection.keeps(KEEP_FLOAT, tried, layers=tuple(float_layers))
    model = tried if kept else model
    if selection.keeps("ranges", tried := fit_ranges(model, z, label)):
        model = tried
    if selection.keeps("round weights", tried := refit_all(model, float_model, z, label)):
        model = tried
    return Tuned(model=form(model), form=form, steps=selection.steps)


def calibrated_on(spec: Spec) -> int:
    """How many latents a generator is calibrated on, the stretched ones not counted."""
    return fewer(spec, CALIBRATED_ON, least=16)


def _quantise(float_model: Model, z: Latents, label: Labels | None) -> Model:
    """NNCF's model, without the layers that OpenVINO would compute wrongly."""
    model = quantise(float_model, z, label)
    wrong = [layer.node.get_friendly_name() for layer in quantised_layers(model) if wrongly_computed(layer)]
    return restore_layers(model, float_model, wrong)
