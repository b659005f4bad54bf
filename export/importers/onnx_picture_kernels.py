"""Convolutions with one kernel for each picture (StyleGAN2's modulated convolution), for any number of pictures.

Such networks fold the batch into the channels and convolve in as many groups as there are pictures; `group` is a constant of
the graph. Here the same sum is one matrix product a picture:

    out[n, o, y, x] = sum over a, b, i of  kernel[n, o, i, a, b] · input[n, i, y·s + a, x·s + b]
"""

from typing import Any

from onnx import NodeProto, helper

from export.importers.onnx_builder import GraphBuilder
from export.importers.onnx_canonical import Shapes


def has_picture_kernels(node: NodeProto, batch: int, shapes: Shapes) -> bool:
    """Whether a convolution whose kernel is computed has one for each of `batch` pictures (and no bias or dilation)."""
    attributes = _attributes(node)
    plain = len(node.input) == 2 and set(attributes["dilations"]) == {1} and len(shapes[node.input[0]]) == 4
    return plain and attributes["group"] == batch and shapes[node.input[0]][0] == 1


def picture_kernels(graph: GraphBuilder, node: NodeProto, batch: int, shapes: Shapes) -> None:
    """Add nodes that write the output of `node` for any number of pictures.

    Takes pictures (N, C, H, W) or (1, N·C, H, W) and kernels (N·O, …) or (N, O, …); writes (1, N·O, H', W'), and (N, O, H', W')
    where the graph's own batch is 1.
    """
    (out,), attributes = node.output, _attributes(node)
    (_, channels, height, width), kernel = shapes[node.input[0]], shapes[node.input[1]]
    inner, (top, left, bottom, right), (down, beside) = channels // batch, attributes["pads"], attributes["strides"]
    _, many, out_height, out_width = shapes[out]
    outer, (kh, kw) = many // batch, kernel[2:]
    x = graph.node("Reshape", [node.input[0], graph.sizes(f"{out}_apart", -1, inner, height, width)], f"{out}_pictures")
    if node.op_type == "Conv":
        taps = graph.node("Reshape", [node.input[1], graph.sizes(f"{out}_kernel", -1, outer, inner, kh, kw)], f"{out}_kernels")
        taps = graph.node("Transpose", [taps], f"{out}_taps", perm=[0, 1, 3, 4, 2])
    else:  # the same with zeros between the pixels and the kernel turned around
        taps = graph.node("Reshape", [node.input[1], graph.sizes(f"{out}_kernel", -1, inner, outer, kh, kw)], f"{out}_kernels")
        ends = graph.sizes(f"{out}_last", -1, -1), graph.sizes(f"{out}_first", -(2**31), -(2**31))
        sides, back = graph.sizes(f"{out}_sides", 3, 4), graph.sizes(f"{out}_back", -1, -1)
        taps = graph.node("Slice", [taps, *ends, sides, back], f"{out}_turned")
        taps = graph.node("Transpose", [taps], f"{out}_taps", perm=[0, 2, 3, 4, 1])
        x = _spread(graph, x, out, (inner, height, width), (down, beside))
        height, width = (height - 1) * down + 1, (width - 1) * beside + 1
        top, left = kh - 1 - top, kw - 1 - left
        bottom, right = out_height + kh - 1 - height - top, out_width + kw - 1 - width - left
        down = beside = 1
    if any((top, left, bottom, right)):
        x = graph.node("Pad", [x, graph.sizes(f"{out}_pads", 0, 0, top, left, 0, 0, bottom, right)], f"{out}_padded")
    axes, steps = graph.sizes(f"{out}_axes", 2, 3), graph.sizes(f"{out}_steps", down, beside)
    seen = []
    for a in range(kh):
        for b in range(kw):
            begin = graph.sizes(f"{out}_begin_{a}_{b}", a, b)
            end = graph.sizes(f"{out}_end_{a}_{b}", a + (out_height - 1) * down + 1, b + (out_width - 1) * beside + 1)
            seen.append(graph.node("Slice", [x, begin, end, axes, steps], f"{out}_tap_{a}_{b}"))
    x = graph.node("Concat", seen, f"{out}_windows", axis=1)
    rows = graph.sizes(f"{out}_rows", -1, kh * kw * inner, out_height * out_width)
    x = graph.node("Reshape", [x, rows], f"{out}_columns")
    taps = graph.node("Reshape", [taps, graph.sizes(f"{out}_flat", -1, outer, kh * kw * inner)], f"{out}_weights")
    together = (-1, outer) if batch == 1 else (1, -1)
    shape = graph.sizes(f"{out}_shape", *together, out_height, out_width)
    graph.node("Reshape", [graph.node("MatMul", [taps, x], f"{out}_product"), shape], out)


def _spread(graph: GraphBuilder, x: str, out: str, size: tuple[int, int, int], strides: tuple[int, int]) -> str:
    """x (N, C, H, W) with `strides` − 1 zeros between its pixels."""
    (channels, height, width), (down, beside) = size, strides
    if (down, beside) == (1, 1):
        return x
    x = graph.node("Reshape", [x, graph.sizes(f"{out}_singles", -1, channels, height, 1, width, 1)], f"{out}_single")
    zeros = graph.sizes(f"{out}_zeros", *[0] * 6, 0, 0, 0, down - 1, 0, beside - 1)
    x = graph.node("Pad", [x, zeros], f"{out}_apart_by_zeros")
    x = graph.node("Reshape", [x, graph.sizes(f"{out}_wide", -1, channels, height * down, width * beside)], f"{out}_spread")
    zero, sides = graph.sizes(f"{out}_zero", 0, 0), graph.sizes(f"{out}_spread_axes", 2, 3)
    ends = graph.sizes(f"{out}_spread_ends", (height - 1) * down + 1, (width - 1) * beside + 1)
    return graph.node("Slice", [x, zero, ends, sides], f"{out}_between")


def _attributes(node: NodeProto) -> dict[str, Any]:
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {"group": 1, "pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], **given}
