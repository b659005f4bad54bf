"""A foreign ONNX file as it is: its inputs, a batch size that it takes, and what ONNX Runtime draws with it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from export.importers.onnx_canonical import FLOATS, Feed, session
from export.importers.onnx_file import tensors_of
from export.importers.onnx_network import FileCall
from gansample.errors import ArtefactError

TRIAL_BATCHES = (3, 1, 2, 4, 5, 8, 10, 16, 32, 50, 64, 100, 128, 256)

Array = npt.NDArray[Any]


class OriginalGraph:
    """The untouched file in ONNX Runtime, and a batch that it takes."""

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self.model, self.name = model, name
        self.inputs = inputs = inputs_of(model, name)
        self.half = any(tensor.data_type in FLOATS[:2] for tensor in tensors_of(model.graph))
        error: Exception | None = None
        declared = sizes_of(inputs[0])[:1]
        try:
            self.session = session(model)
        except Exception as refused:  # ONNX Runtime's classes share no base
            raise _cannot_run(name, refused) from refused
        for self.batch in (declared[0],) if declared and declared[0] else TRIAL_BATCHES:
            self.feed = self.latents(self.batch)
            try:
                values = self.session.run(None, self.feed)
                break
            except Exception as refused:
                error = error or refused
        else:
            assert error is not None
            raise _cannot_run(name, error) from error
        outputs = [output.name for output in self.session.get_outputs()]
        tensors = {key: value for key, value in zip(outputs, values, strict=True) if isinstance(value, np.ndarray)}
        self.output = max(tensors, key=lambda key: (tensors[key].ndim, tensors[key].size))
        self.drawn = tensors[self.output]

    @property
    def call(self) -> FileCall:
        kinds = [helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name for value in self.inputs]
        return FileCall(
            inputs=tuple(zip((value.name for value in self.inputs), kinds, strict=True)),
            output=self.output,
            batch=None if self.batch > 1 and self.takes(self.batch + 1) else self.batch,
            keeps_batch=np.shape(self.drawn)[:1] == (self.batch,),
            label_column=len(self.inputs) > 1 and sizes_of(self.inputs[1])[1:] == [1],
        )

    @property
    def canonical_feed(self) -> dict[str, Array]:
        return {key: in_float32(value) for key, value in self.feed.items()}

    def latents(self, n: int, seed: int = 0) -> dict[str, Array]:
        """n latents and labels of 0, in the types that the file declares."""
        stream, feed = np.random.RandomState(seed), {}
        for value in self.inputs:
            shape = [n, *(size or 1 for size in sizes_of(value)[1:])] if sizes_of(value) else []
            dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            is_float = value.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT, *FLOATS)
            feed[value.name] = stream.standard_normal(shape).astype(dtype) if is_float else np.zeros(shape, dtype)
        return feed

    def draws_alone(self) -> bool:
        """Go on in batches of one, where the file takes them."""
        if not self.takes(1):
            return False
        self.batch, self.feed = 1, self.latents(1)
        self.drawn = np.asarray(self.session.run([self.output], self.feed)[0])
        return True

    def takes(self, n: int) -> bool:
        """Whether the file itself draws n pictures at once."""
        try:
            drawn = self.session.run([self.output], self.latents(n))[0]
        except Exception:  # any failure means: it does not
            return False
        return bool(np.shape(drawn)[:1] == (n,))

    def pictures(self, feed: Feed) -> Array:
        """(N, P), drawn in batches that the file takes; N is a multiple of those."""
        n = len(next(iter(feed.values())))
        parts = [
            self.session.run([self.output], {key: value[start : start + self.batch] for key, value in feed.items()})[0]
            for start in range(0, n, self.batch)
        ]
        return np.concatenate([np.asarray(part, np.float64).reshape(self.batch, -1) for part in parts])


def inputs_of(model: onnx.ModelProto, name: str) -> list[onnx.ValueInfoProto]:
    """The latent [and the label], in this order; inputs with a default keep it. Raises ArtefactError for others."""
    constants = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in constants]
    if len(given) not in (1, 2):
        names = ", ".join(value.name for value in given) or "none"
        raise ArtefactError(f"{name} has {len(given)} inputs ({names})", "a generator takes a latent [and a label]")
    return sorted(given, key=lambda value: value.type.tensor_type.elem_type not in (onnx.TensorProto.FLOAT, *FLOATS))


def sizes_of(value: onnx.ValueInfoProto) -> list[int | None]:
    return [size.dim_value or None for size in value.type.tensor_type.shape.dim]


def in_float32(value: Array) -> Array:
    return value.astype(np.float32) if value.dtype.kind not in "iub" else value


def _cannot_run(name: str, error: Exception) -> ArtefactError:
    reason = " ".join(str(error).split())[:140]
    return ArtefactError(f"{name} cannot be run ({reason})", "export it again, ONNX Runtime must run it")
