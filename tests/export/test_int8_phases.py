"""An int8 transposed convolution as a convolution of its phases: the same integers, so the same bits."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from openvino import Core, Model, opset13

from export.variants import openvino_model
from export.variants.int8.layers import quantised_layers
from export.variants.int8.phases import choose_form, in_phases

STREAM = np.random.RandomState(0)


def fake_quantised(x: object, high: float) -> object:
    low, top = (opset13.constant(np.full((1, 1, 1, 1), end, np.float32)) for end in (0, high))
    return opset13.fake_quantize(x, low, top, low, top, 256)


def layer(x: object, inputs: int, outputs: int, kernel: int, stride: int, pad: int, extra: int = 0) -> object:
    """A transposed convolution of int8 weights with its bias, which NNCF leaves behind a Reshape."""
    weight = STREAM.randint(-127, 128, (inputs, outputs, kernel, kernel)).astype(np.int8)
    step = (0.002 + 0.01 * STREAM.rand(1, outputs, 1, 1)).astype(np.float32)
    scaled = opset13.multiply(opset13.convert(opset13.constant(weight), np.float32), opset13.constant(step))
    drawn = opset13.convolution_backprop_data(
        x, scaled, [stride] * 2, pads_begin=[pad] * 2, pads_end=[pad] * 2, output_padding=[extra] * 2
    )
    bias = opset13.reshape(
        opset13.constant(STREAM.standard_normal(outputs).astype(np.float32)), np.array([1, outputs, 1, 1]), special_zero=False
    )
    return opset13.add(drawn, bias)


def generator(kernel: int, stride: int, pad: int, extra: int) -> Model:
    """Two such layers on the int8 picture z (N, 16, 4, 4), as they stand in a generator; `levels` is (N, H, W, 3)."""
    z = opset13.parameter([-1, 16, 4, 4], np.float32, name="z")
    z.output(0).set_names({"z"})
    hidden = opset13.relu(layer(fake_quantised(z, 3), 16, 8, kernel, stride, pad, extra))
    pictures = opset13.tanh(layer(fake_quantised(hidden, 9), 8, 3, 4, 2, 1))
    levels = opset13.transpose(pictures, np.array([0, 2, 3, 1]))
    levels.output(0).set_names({"levels"})
    return Model([opset13.result(levels)], [z], "m")


def drawn(model: Model) -> np.ndarray:
    x = np.random.RandomState(1).rand(3, 16, 4, 4).astype(np.float32) * 4
    compiled = Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled({"z": x})["levels"])


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "extra"), [(4, 2, 1, 0), (2, 2, 0, 0), (3, 2, 1, 1), (6, 3, 1, 0), (5, 2, 2, 1), (4, 4, 0, 3)]
)
def test_an_int8_layer_gives_the_same_bits_as_its_phases(kernel: int, stride: int, pad: int, extra: int) -> None:
    model = generator(kernel, stride, pad, extra)
    phased = in_phases(model)
    kinds = [node.get_type_name() for node in phased.get_ordered_ops()]
    assert "ConvolutionBackpropData" not in kinds
    np.testing.assert_array_equal(drawn(phased), drawn(model))
    assert [layer.weight.get_element_type().get_type_name() for layer in quantised_layers(phased)] == ["i8", "i8"]


def test_bias_relu_and_the_next_quantiser_stand_in_front_of_the_interleaving() -> None:
    kinds = [node.get_type_name() for node in in_phases(generator(4, 2, 1, 0)).get_ordered_ops()]
    kinds = [kind for kind in kinds if kind not in ("Constant", "Convert", "Multiply")]
    hidden = ["Convolution", "Add", "Relu", "FakeQuantize", "DepthToSpace", "Slice"]
    assert kinds == [
        "Parameter",
        "FakeQuantize",
        *hidden,
        "Convolution",
        "Add",
        "Tanh",
        "DepthToSpace",
        "Slice",
        "Transpose",
        "Result",
    ]


def test_layers_that_are_not_alike_in_both_directions_are_left_alone() -> None:
    z = opset13.parameter([-1, 4, 4, 4], np.float32, name="z")
    weight = opset13.constant(STREAM.standard_normal((4, 3, 4, 4)).astype(np.float32))
    oblong = opset13.convolution_backprop_data(z, weight, [2, 1], pads_begin=[1, 1], pads_end=[1, 1])
    kinds = {node.get_type_name() for node in in_phases(Model([opset13.result(oblong)], [z], "m")).get_ops()}
    assert "ConvolutionBackpropData" in kinds


def test_what_another_export_decided_is_not_measured_again() -> None:
    model, z = generator(4, 2, 1, 0), np.zeros((1, 1), np.float32)
    for decided in (True, False):
        form = choose_form(model, z, None, decided)
        assert (form.places, form.speedup, form.kept) == (2, None, decided)
        assert form.to_dict() == {"pass": "phase convolution", "places": 2, "kept": decided}


def test_layers_have_the_same_names_whatever_the_process_did_before() -> None:
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 4, 4, 4])]
    outputs = [helper.make_tensor_value_info("levels", TensorProto.FLOAT, ["N", 3, 8, 8])]
    weight = numpy_helper.from_array(STREAM.standard_normal((4, 3, 4, 4)).astype(np.float32), "w")
    nodes = [helper.make_node("ConvTranspose", ["z", "w"], ["levels"], strides=[2, 2], pads=[1] * 4)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    first, second = ([node.get_friendly_name() for node in openvino_model.read(model).get_ordered_ops()] for _ in range(2))
    assert first == second


def test_a_few_latents_suffice_to_choose() -> None:
    """Fewer than are drawn in a run of pictures this small."""
    z = opset13.parameter([-1, 16], np.float32, name="z")
    z.output(0).set_names({"z"})
    hidden = opset13.reshape(z, np.array([-1, 16, 1, 1]), special_zero=False)
    levels = opset13.transpose(layer(fake_quantised(hidden, 3), 16, 3, 4, 2, 1), np.array([0, 2, 3, 1]))
    levels.output(0).set_names({"levels"})
    form = choose_form(Model([opset13.result(levels)], [z], "m"), np.ones((5, 16), np.float32), None)
    assert form.places == 1
    assert form.speedup is not None
    assert form.speedup > 0
