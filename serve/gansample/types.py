"""What generators take and give, as numpy has it, and what runs one. Every room imports these from here."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

Latents = npt.NDArray[np.float32]  # (N, latent_size)
Labels = npt.NDArray[np.int64]  # (N,)
Images = npt.NDArray[np.uint8]  # (N, H, W, C)


class Runner(Protocol):
    """An opened generator: a context manager around one runtime's session."""

    @property
    def backend(self) -> str:
        """The runtime and device that really run, for example `onnxruntime-cpu`."""

    @property
    def variant(self) -> str:
        """The bundle's variant that is open, for example `onnx-fp32`."""

    @property
    def device(self) -> str | None:
        """The GPU's name, where the runtime chose among GPUs."""

    def run(self, z: Latents, label: Labels | None) -> Images:
        """Pictures for latents and, for a conditional generator, labels."""

    def on_device(self, z: Latents, label: Labels | None) -> Callable[[], None] | None:
        """What draws these again and waits, with the latents on the device already and the pictures left there.

        None where nothing is ever copied, as on a CPU. For measuring; raises BackendUnavailable where it is not possible.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
