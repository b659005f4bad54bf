"""A foreign graph with nodes around it that give it its inputs and arrange its pictures: z [, label] -> (N, C, H, W)."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.importers.call_signature import CallSignature, GeneratorAdapter
from export.importers.onnx_builder import GraphBuilder
from export.importers.onnx_canonical import prefixed
from export.importers.onnx_network import OnnxNetwork

PREFIX = "network/"  # its names may be ours: z, label, images


class OnnxAdapter(GeneratorAdapter):
    """A `GeneratorAdapter` that also has the graph of what it computes."""

    def __init__(self, module: OnnxNetwork, signature: CallSignature) -> None:
        super().__init__(module, signature)

    @property
    def reference_name(self) -> str:
        assert isinstance(self.module, OnnxNetwork)
        return self.module.reference

    @property
    def float32_name(self) -> str:
        return "ONNX Runtime float32"

    def onnx_graph(self) -> onnx.ModelProto:
        """z float32 (N, nz) [, label int64 (N,)] -> pictures float32 (N, C, H, W)."""
        assert isinstance(self.module, OnnxNetwork)
        model = prefixed(self.module.graph(), PREFIX)
        around = _Around(self.signature)
        around.inputs(model.graph.input)
        before = list(around.nodes)
        around.nodes.clear()
        around.pictures(PREFIX + self.module.output)
        nodes = [*before, *model.graph.node, *around.nodes]
        inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", self.signature.latent_size])]
        if self.signature.classes is not None:
            inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]))
        channels, height, width = self.signature.image
        output = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["N", channels, height, width])
        graph = helper.make_graph(nodes, "generator", inputs, [output], [*model.graph.initializer, *around.constants])
        return helper.make_model(graph, opset_imports=model.opset_import, ir_version=max(model.ir_version, 8))


class _Around(GraphBuilder):
    """The same as `call_signature.inputs` and `as_pictures`, in ONNX."""

    def __init__(self, signature: CallSignature) -> None:
        super().__init__()
        self.signature = signature

    def inputs(self, declared: Sequence[onnx.ValueInfoProto]) -> None:
        signature = self.signature
        z, shape = "z", self.sizes("latent_shape", -1, *signature.latent)
        if signature.classes is not None and signature.label != "index":
            depth = self.sizes("classes", signature.classes)
            values = self.constant("off_on", np.array([0, 1], np.float32))
            hot = self.node("OneHot", ["label", depth, values], "onehot")
            if signature.label == "joined onehot":
                z = self.node("Concat", [z, hot], "joined", axis=1)
            else:
                self._label(hot, declared[1], signature.label == "onehot planes")
        elif signature.classes is not None:
            self._label("label", declared[1], False)
        self.node("Reshape", [z, shape], declared[0].name)

    def _label(self, name: str, declared: onnx.ValueInfoProto, planes: bool) -> None:
        kind = declared.type.tensor_type
        if planes:
            shape = self.sizes("planes", -1, self.signature.classes or 1, 1, 1)
            name = self.node("Reshape", [name, shape], "label_planes")
        elif self.signature.label == "index" and len(kind.shape.dim) == 2 and kind.shape.dim[1].dim_value == 1:
            name = self.node("Reshape", [name, self.sizes("column", -1, 1)], "label_column")
        self.node("Cast", [name], declared.name, to=kind.elem_type)

    def pictures(self, name: str) -> None:
        channels, height, width = self.signature.image
        name = self.node("Cast", [name], "drawn", to=TensorProto.FLOAT)
        last = self.signature.layout in ("HWC", "flat HWC")
        sizes = [-1, height, width, channels] if last else [-1, channels, height, width]
        shape = self.sizes("picture_shape", *sizes)
        if last:
            self.node("Transpose", [self.node("Reshape", [name, shape], "drawn_last")], "pictures", perm=[0, 3, 1, 2])
        else:
            self.node("Reshape", [name, shape], "pictures")
