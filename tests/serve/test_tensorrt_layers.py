"""The share of layers in half precision is read from what TensorRT 10 and 11 write; an engine without any is refused."""

import json
from typing import Any

import pytest

from gansample.errors import ArtefactError, ParityError
from gansample.runtimes.tensorrt.layers import LayerCount, check_precision, count_layers


def _engine(*layers: Any) -> str:
    return json.dumps({"Layers": list(layers)})


@pytest.mark.parametrize(
    ("layer", "half"),
    [
        ({"Inputs": [{"Format/Datatype": "Half"}], "Outputs": [{"Format/Datatype": "Float"}]}, 1),
        ({"Outputs": [{"Format/Datatype": "Row major linear FP16 format"}]}, 1),
        ({"Outputs": [{"Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}]}, 1),
        ({"Outputs": [{"Format/Datatype": "Row major linear FP32"}]}, 0),
        ({"Outputs": [{"Format": "Row major linear FP16 format (kLINEAR)", "DataType": "Half"}]}, 1),
        ({"Outputs": [{"Format": "LINEAR", "Datatype": "FP16"}]}, 1),
        ({"Outputs": [{"Format": "LINEAR", "DataType": "Float"}]}, 0),
        ({"Outputs": [{"DataType": "BFloat16"}]}, 0),
        ({"Inputs": [{"DataType": "Float"}], "Weights": {"Type": "Half", "Count": 512}}, 1),
    ],
)
def test_one_layer(layer: dict[str, Any], half: int) -> None:
    assert count_layers(_engine(layer)) == LayerCount(layers=1, half=half)


def test_layers_without_types_prove_nothing() -> None:
    """As an engine built without detailed verbosity lists them: by name alone."""
    count = count_layers(_engine("conv_1 + relu_1", {"Name": "conv_2", "Inputs": [], "Outputs": []}))
    assert count.layers == 0
    with pytest.raises(ParityError, match="inspector shows no layer's type"):
        check_precision(count, "fp16")


def test_the_share_is_checked_against_what_was_asked_for() -> None:
    check_precision(LayerCount(layers=10, half=7), "fp16")
    check_precision(LayerCount(layers=10, half=0), "fp32")
    with pytest.raises(ParityError, match="built 0 of 10 layers in half precision although fp16"):
        check_precision(LayerCount(layers=10, half=0), "fp16")
    with pytest.raises(ParityError, match="built 1 of 10 layers in half precision although fp32"):
        check_precision(LayerCount(layers=10, half=1), "fp32")


def test_what_is_no_json_is_one_error() -> None:
    with pytest.raises(ArtefactError, match="TensorRT's engine inspector is no valid JSON"):
        count_layers("Layers:\n  conv")
