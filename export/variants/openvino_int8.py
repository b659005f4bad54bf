"""OpenVINO int8: NNCF's quantisation, then fidelity won back where it costs little time (see docs/int8.md).

int8/with_nncf.py       NNCF's model, and quantisers that no int8 layer reads taken out
int8/phases.py          transposed convolutions as convolutions of their phases, unless that is measured to cost
graph/passes/equalise   channels between two layers brought nearer to one range, exactly undone in the weights
int8/keep_float.py      the layers whose quantisation hurts most for the time it saves stay in bf16 or float32
int8/ranges.py          each activation range clipped to the least mean square error
int8/round_weights.py   weights rounded against the covariance of the layer's inputs, bias corrected
int8/tune.py            all of it in order, each step kept only where it brings the pictures nearer to float32
"""

from collections.abc import Sequence

from export.export_model import ExportModel
from export.graph.to_onnx import ExportedGraph
from export.variants import openvino_model
from export.variants.base import BuiltVariant, VariantUnavailable
from gansample.runtimes.openvino_cpu import HINTS, OpenVinoRunner

NAME = "openvino-int8"
FILES = ("variants/openvino-int8.xml", "variants/openvino-int8.bin")


def build(
    generator: ExportModel, graph: ExportedGraph, float_layers: Sequence[str] | None = None, phases: bool | None = None
) -> BuiltVariant:
    """The int8 variant of `graph`; float_layers and phases as for `tune`.

    Raises VariantUnavailable without openvino or nncf.
    """
    openvino_model.openvino()
    try:
        import nncf
    except ImportError:
        raise VariantUnavailable("nncf is not installed (pip install nncf)") from None
    from export.variants.int8.tune import calibrated_on, tune

    tuned = tune(generator.spec, graph, float_layers, phases)
    xml, weights = openvino_model.to_bytes(openvino_model.without_unrounded(tuned.model))
    return BuiltVariant(
        name=NAME,
        runtime="openvino",
        precision="int8",
        files=dict(zip(FILES, (xml, weights), strict=True)),
        open=lambda: OpenVinoRunner(xml, weights, generator.spec, precision="int8", variant=NAME, source=FILES[0]),
        open_unrounded=lambda: openvino_model.open_unrounded(tuned.model, HINTS["int8"]),
        notes={
            "quantised_by": f"nncf {nncf.__version__}",
            "calibrated_on": calibrated_on(generator.spec),
            "passes": [tuned.form.to_dict()] if tuned.form.places else [],
            "steps": [step.to_dict() for step in tuned.steps],
        },
    )
