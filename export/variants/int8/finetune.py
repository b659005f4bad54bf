"""--finetune: the int8 network trained for some minutes to draw what the float network draws; no data, the latents are known.

The student is the graph with every quantised layer as int8 computes it, rounding passing gradients straight through (Bengio et
al. 2013); the teacher is the float model, the loss the squared error of their pictures. What is learned: weights in units of
their step, starting from the rounding found so far; a factor on the step of every output channel and on the range of every
quantiser (after Esser et al. 2020, "Learned step size quantization"); a shift of every output channel.

Ranges only scale, so 0 stays a level and the graph keeps its speed. docs/int8.md has what a minute of it brought.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from openvino import Model
from torch import Tensor, nn

from export.importers.from_onnx import OnnxNetwork
from export.variants.int8.keep_float import Draw
from export.variants.int8.layers import QuantisedLayer, bias_of, constant_value, quantised_layers, replace_constant
from gansample.types import Labels, Latents

# Adam's, falling to 0 along a cosine. Faster weights undo what rounding them against their inputs has won.
RATES = {"levels": 1e-3, "gain": 1e-3, "shift": 1e-3, "range": 1e-3}
CHECK = 50  # batches between two looks at how good the student is; the best one counts
LOOKS = (-1, -2, -3, -4)  # errors differ much from latent to latent: one batch would choose by chance
_LIMIT = 127

Batch = tuple[Latents, Labels | None]


def finetuned(
    model: Model, float_model: Model, graph: onnx.ModelProto, sample: Callable[[int], Batch], minutes: float
) -> tuple[Model, int]:
    """A copy of the int8 model after `minutes` of training, and how many batches that took.

    graph   what `float_model` was read from, with both outputs
    sample  latents and labels of batch i; those of LOOKS are looked at, never trained on

    Raises ValueError where a quantised layer is not found in the graph, or joins several quantised inputs.
    """
    student, teacher = Student(graph, model, float_model), Draw(float_model, "f32")

    def loss(batch: Batch, wanted: Tensor) -> Tensor:
        drawn: Tensor = student(*(torch.from_numpy(part) for part in batch if part is not None))
        return (drawn - wanted).square().mean()

    def taught(batch: Batch) -> tuple[Batch, Tensor]:
        return batch, torch.from_numpy(teacher(*batch)).float()

    looks = [taught(sample(i)) for i in LOOKS]

    def looked_at() -> float:
        with torch.no_grad():
            return sum(float(loss(*look)) for look in looks)

    groups = [{"params": student.learned(kind), "lr": rate} for kind, rate in RATES.items()]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    best, state = looked_at(), copy.deepcopy(student.layers.state_dict())
    started, count = time.monotonic(), 0
    while (spent := (time.monotonic() - started) / (60 * minutes)) < 1:
        for group, rate in zip(optimizer.param_groups, RATES.values(), strict=True):
            group["lr"] = rate * (1 + math.cos(math.pi * spent)) / 2
        optimizer.zero_grad()
        loss(*taught(sample(count))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        count += 1
        if count % CHECK == 0 and (now := looked_at()) < best:
            best, state = now, copy.deepcopy(student.layers.state_dict())
    student.layers.load_state_dict(state)
    return student.written(model, float_model), count


class Student(OnnxNetwork):
    """The graph with its quantised layers as int8 computes them; levels (N, H, W, C) come out."""

    def __init__(self, graph: onnx.ModelProto, model: Model, float_model: Model) -> None:
        super().__init__(graph, "the graph")
        self.output = graph.graph.output[1].name
        self.nodes = self._needed()
        self.layers, self.layer_of = nn.ModuleDict(), dict[str, str]()
        ranges: dict[str, nn.Parameter] = {}
        for layer in quantised_layers(model):
            if len(layer.quantisers) != 1:
                raise ValueError("a layer joins several quantised inputs")
            shared = ranges.setdefault(layer.quantisers[0].get_friendly_name(), nn.Parameter(torch.zeros(())))
            weight, bias = _float_values(layer, float_model)
            written, transposed = self._place(weight)
            self.layer_of[written] = _key(layer)
            self.layers[_key(layer)] = Int8Layer(layer, weight, bias, shared, transposed)

    def learned(self, kind: str) -> list[nn.Parameter]:
        """The parameters of one kind, each once."""
        named = self.layers.named_parameters()  # which gives a shared one once
        return [value for name, value in named if name.endswith(f".{kind}") and value.requires_grad]

    def compute(self, op: str, attributes: Mapping[str, Any], name: str, *read: Any) -> Any:
        if name not in self.layer_of:
            return super().compute(op, attributes, name, *read)
        layer: Any = self.layers[self.layer_of[name]]
        result: Tensor = super().compute(op, attributes, name, layer.quantised(read[0]), layer.weight(), *read[2:])
        return result + layer.moved().reshape([-1] + [1] * (result.dim() - 2))

    def written(self, model: Model, float_model: Model) -> Model:
        """A copy of `model` with what was learned."""
        model = model.clone()
        done: set[str] = set()
        for layer in list(quantised_layers(model)):
            learned: Any = self.layers[_key(layer)]
            learned.write(layer, _float_values(layer, float_model)[1])
            (quantiser,) = layer.quantisers
            if quantiser.get_friendly_name() not in done:
                done.add(quantiser.get_friendly_name())
                for port in (1, 2, 3, 4):
                    end = quantiser.input_value(port).get_node()
                    replace_constant(end, constant_value(end) * float(learned.range.detach().exp()))
        return model

    def _needed(self) -> list[Any]:
        """The nodes that lead to the levels: what makes pictures of them is not differentiable."""
        wanted, nodes = {self.output}, []
        for node in reversed(self.nodes):
            if wanted & set(node[2]):
                wanted |= set(node[1])
                nodes.append(node)
        return nodes[::-1]

    def _place(self, weight: npt.NDArray[Any]) -> tuple[str, bool]:
        """(what the node with this weight writes, whether it is transposed there): OpenVINO's names are not the graph's."""
        for op, read, written, _ in self.nodes:
            if op not in ("Conv", "ConvTranspose", "MatMul", "Gemm") or read[1] not in self.buffer_of:
                continue
            ours = getattr(self, self.buffer_of[read[1]]).numpy()
            for transposed in (False, True) if weight.ndim == 2 else (False,):
                if np.array_equal(ours, weight.T if transposed else weight):
                    return written[0], transposed
        raise ValueError("a quantised layer is not found in the graph")


class Int8Layer(nn.Module):
    """What is learned of one quantised layer.

    levels  the float weight in steps; its rounding is the int8 weight
    gain    log of a factor on the step of each output channel
    shift   what is added to each output channel, in units of `unit`
    range   log of a factor on the range of the input's quantiser, shared by all layers that read it
    """

    def __init__(
        self,
        layer: QuantisedLayer,
        weight: npt.NDArray[Any],
        bias: npt.NDArray[Any] | None,
        shared: nn.Parameter,
        transposed: bool,
    ) -> None:
        super().__init__()
        self.range, self.transposed = shared, transposed
        self.low, high = (float(constant_value(layer.quantisers[0].input_value(port).get_node()).min()) for port in (1, 2))
        self.count = int(layer.quantisers[0].get_attributes()["levels"])
        self.step_in = (high - self.low) / (self.count - 1)
        self.step = torch.from_numpy(layer.step).float()
        rounded = torch.from_numpy(constant_value(layer.weight)).float()
        exact = torch.from_numpy(weight).float() / self.step.clamp_min(1e-30)
        self.levels = nn.Parameter(rounded + (exact - rounded).clamp(-0.49, 0.49))
        self.gain = nn.Parameter(torch.zeros_like(self.step))
        self.unit = max(float(self.step.mean()) * self.step_in * _LIMIT * 16, 1e-30)
        known = layer.bias is not None and bias is not None
        moved = constant_value(layer.bias).flatten() - bias if known else np.zeros(1)
        self.shift = nn.Parameter(torch.from_numpy(moved).float() / self.unit, requires_grad=known)

    def quantised(self, x: Tensor) -> Tensor:
        step, zero = self.step_in * self.range.exp(), round(-self.low / self.step_in)
        return ((_rounded(x / step) + zero).clamp(0, self.count - 1) - zero) * step

    def weight(self) -> Tensor:
        weight = _rounded(self.levels).clamp(-_LIMIT, _LIMIT) * (self.step * self.gain.exp())
        return weight.T if self.transposed else weight

    def moved(self) -> Tensor:
        """The shift of each output channel, (channels,)."""
        return self.shift * self.unit

    def write(self, layer: QuantisedLayer, bias: npt.NDArray[Any] | None) -> None:
        """What was learned into an OpenVINO layer, but for its range."""
        replace_constant(layer.weight, self.levels.detach().round().clamp(-_LIMIT, _LIMIT).numpy())
        scale = layer.node.input_value(1).get_node().input_value(1).get_node()
        while scale.get_type_name() == "Convert":
            scale = scale.input_value(0).get_node()
        replace_constant(scale, (self.step * self.gain.exp()).detach().numpy())
        if layer.bias is not None and bias is not None:
            replace_constant(layer.bias, bias + self.moved().detach().numpy())


def _rounded(x: Tensor) -> Tensor:
    """Rounded forwards, the identity backwards."""
    return x + (x.round() - x).detach()


def _float_values(layer: QuantisedLayer, float_model: Model) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """(weight, bias) of the same layer in the float model."""
    twin = next(op for op in float_model.get_ops() if op.get_friendly_name() == layer.node.get_friendly_name())
    bias = bias_of(twin)
    weight = constant_value(twin.input_value(1).get_node())
    return weight, constant_value(bias).flatten() if bias is not None else None


def _key(layer: QuantisedLayer) -> str:
    name: str = layer.node.get_friendly_name()
    return name.replace(".", "/")
