"""config.pbtxt: what Triton needs to know about a model, in the text form of its protobuf `inference.ModelConfig`.

Field reference: https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gansample.bundle.spec import Spec

QUEUE_DELAY_US = 1000  # the batching delay, at most
QUEUE_SECONDS = 30  # as `gan serve`: after that a request is refused
QUEUE_REQUESTS = 2048
WARMUP = "warmup"  # Triton looks for the files of `model_warmup` in a folder of this name


@dataclass(frozen=True, slots=True)
class Tensor:
    """`dims` are the sizes after the batch."""

    name: str
    type: str
    dims: tuple[int, ...]
    scalar: bool = False
    """The graph takes (N,), which Triton cannot express: clients send (N, 1), and a reshape drops the 1."""
    optional: bool = False

    def to_pbtxt(self) -> str:
        dims = ", ".join(map(str, self.dims))
        also = "\n    reshape { shape: [ ] }" if self.scalar else "\n    optional: true" if self.optional else ""
        return f'  {{\n    name: "{self.name}"\n    data_type: TYPE_{self.type}\n    dims: [ {dims} ]{also}\n  }}'


def graph_inputs(spec: Spec) -> list[Tensor]:
    """The inputs of generator.onnx."""
    name, shape = spec.graph_input
    label = [Tensor("label", "INT64", (1,), scalar=True)] if spec.graph_takes_label else []
    return [Tensor(name, "FP32", shape), *label]


def mapping_inputs(spec: Spec) -> list[Tensor]:
    """The inputs of mapping.onnx."""
    label = [Tensor("label", "INT64", (1,), scalar=True)] if spec.classes is not None else []
    return [Tensor("z", "FP32", (spec.latent_size,)), Tensor("psi", "FP32", (1,), scalar=True), *label]


def seed_inputs(spec: Spec) -> list[Tensor]:
    """What `gan serve` takes at /v2: without a label each seed draws its own class, without psi at psi 1."""
    label = [Tensor("label", "INT64", (1,), optional=True)] if spec.classes is not None else []
    psi = [Tensor("psi", "FP32", (1,), optional=True)] if spec.mapping is not None else []
    return [Tensor("seed", "INT64", (1,)), *label, *psi]


def graph_output(spec: Spec) -> Tensor:
    """The pictures."""
    return Tensor("images", "UINT8", (spec.height, spec.width, spec.channels))


def config_pbtxt(
    name: str,
    inputs: Sequence[Tensor],
    output: Tensor,
    *,
    backend: str,
    kind: str,
    max_batch: int,
) -> str:
    """The file's text.

    backend  onnxruntime, tensorrt or python.
    kind     where instances run: AUTO (a GPU where Triton sees one), GPU or CPU.
    """
    # Triton's documentation names TensorRT by `platform`, and every other backend by `backend`.
    engine = 'platform: "tensorrt_plan"' if backend == "tensorrt" else f'backend: "{backend}"'
    parts = [
        f'name: "{name}"\n{engine}\nmax_batch_size: {max_batch}',
        "input [\n" + ",\n".join(tensor.to_pbtxt() for tensor in inputs) + "\n]",
        f"output [\n{output.to_pbtxt()}\n]",
        f"instance_group [ {{ count: 1 kind: KIND_{kind} }} ]",
        f"""dynamic_batching {{
  max_queue_delay_microseconds: {QUEUE_DELAY_US}
  default_queue_policy {{
    timeout_action: REJECT
    default_timeout_microseconds: {QUEUE_SECONDS * 1_000_000}
    max_queue_size: {QUEUE_REQUESTS}
  }}
}}""",
        "model_warmup [\n" + ",\n".join(_warmup(batch, inputs) for batch in sorted({1, max_batch})) + "\n]",
    ]
    return "\n".join(parts) + "\n"


def _warmup(batch: int, inputs: Sequence[Tensor]) -> str:
    """One golden, repeated to fill the batch: a model is ready once it has drawn it."""
    lines = [
        f'    inputs {{ key: "{tensor.name}" value {{ data_type: TYPE_{tensor.type} '
        f'dims: [ {", ".join(map(str, tensor.dims))} ] input_data_file: "{tensor.name}" }} }}'
        for tensor in inputs
    ]
    return f'  {{\n    name: "golden, batch {batch}"\n    batch_size: {batch}\n' + "\n".join(lines) + "\n  }"
