"""Whether TensorRT can take a graph, by its published operator table.

The table is docs/operators.md of onnx/onnx-tensorrt for TensorRT 10.15, opsets 9 to 24; 11.2 gives the same range. It can be
asked where no TensorRT is, so that an export that could not be built on a GPU is known before it gets there.
"""

from collections.abc import Iterator

import onnx
from onnx import NodeProto, TensorProto

TABLE_VERSION = "10.15"
OPSETS = range(9, 25)

_FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16})
_NUMBERS = _FLOATS | {TensorProto.INT32, TensorProto.INT64}
_ANY = _NUMBERS | {TensorProto.BOOL}

# Operators that a generator can hold, by the types the table gives them.
_ON_FLOATS = """
    Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos Cosh CumSum Einsum
    Elu Erf Exp Floor Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization HardSigmoid HardSwish
    InstanceNormalization IsInf LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool LRN MatMul MaxPool
    MeanVarianceNormalization Mish PRelu Reciprocal Resize RMSNormalization Round ScaledTanh Selu Sigmoid Sin Sinh Softmax
    Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Upsample
"""
_ON_NUMBERS = """
    Abs Add ArgMax ArgMin DepthToSpace Div Equal Gelu Greater GreaterOrEqual IsNaN Less LessOrEqual Max Mean Min Mod Mul Neg
    Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu ScatterElements ScatterND Shrink Sign SpaceToDepth Sub Sum TopK
"""
_ON_ANY = """
    Concat Constant ConstantOfShape Expand EyeLike Flatten Gather GatherElements GatherND Identity OneHot Reshape Shape Size
    Slice Split Squeeze Tile Transpose Trilu Unsqueeze Where
"""
_TABLE = (
    dict.fromkeys(_ON_FLOATS.split(), _FLOATS)
    | dict.fromkeys(_ON_NUMBERS.split(), _NUMBERS)
    | dict.fromkeys(_ON_ANY.split(), _ANY)
    | dict.fromkeys(("And", "Not", "Or", "Xor"), frozenset({TensorProto.BOOL}))
    | dict.fromkeys(("Cast", "CastLike"), _ANY | {TensorProto.UINT8})
)
_GIVE_BOOL = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsNaN", "IsInf"})
_RESIZE = {
    "mode": ("nearest", "linear"),
    "coordinate_transformation_mode": (
        "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"
    ),
    "nearest_mode": ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
    "keep_aspect_ratio_policy": ("stretch",),
}  # fmt: skip


def trt_obstacles(model: onnx.ModelProto) -> list[str]:
    """Everything in `model` that TensorRT's table does not allow, in words; empty where TensorRT should take it."""
    return list(_obstacles(model))


def _obstacles(model: onnx.ModelProto) -> Iterator[str]:
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx"):
            yield f"operators of the domain {opset.domain} are unknown to TensorRT"
        elif opset.version not in OPSETS:
            yield f"opset {opset.version} is outside {OPSETS[0]}..{OPSETS[-1]}"
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {weight.name: weight.data_type for weight in inferred.initializer}
    outputs = {value.name for value in inferred.output}
    read = {name for node in inferred.node for name in node.input}
    for node in inferred.node:
        yield from _node_obstacles(node, types)
        for name in node.output:
            if types.get(name) == TensorProto.UINT8 and (node.op_type != "Cast" or name not in outputs or name in read):
                yield f"{node.op_type} {node.name} puts out uint8, which only a last Cast may"
    for value in inferred.input:
        if types[value.name] == TensorProto.DOUBLE:
            yield f"input {value.name} is float64"


def _node_obstacles(node: NodeProto, types: dict[str, int]) -> Iterator[str]:
    allowed = _TABLE.get(node.op_type)
    if allowed is None:
        yield f"{node.op_type} {node.name} is not in TensorRT's table"
        return
    # A data input decides the type; shapes, axes and indices are int64 by ONNX's own rules.
    for name in (*node.input[:1], *node.output[:1]):
        kind = types.get(name, TensorProto.FLOAT)
        if kind not in allowed and not (node.op_type in _GIVE_BOOL and kind == TensorProto.BOOL):
            word = TensorProto.DataType.Name(kind).lower()
            yield f"{node.op_type} {node.name} works on {word}, which the table does not give it"
    if node.op_type == "Resize":
        for attribute in node.attribute:
            value = attribute.s.decode() if attribute.type == onnx.AttributeProto.STRING else None
            if value is not None and value not in _RESIZE.get(attribute.name, (value,)):
                yield f"Resize {node.name} has {attribute.name} {value}"
            if attribute.name == "antialias" and attribute.i:
                yield f"Resize {node.name} has antialiasing"
