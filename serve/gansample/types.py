"""What generators take and give, as numpy has it, and what runs one. Every room imports these from here."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

Latents = npt.NDArray[np.float32]  # (N, latent_size)
Styles = npt.NDArray[np.float32]  # (N, layers, size): what a mapping makes of latents
Rows = npt.NDArray[np.float32]  # latents or styles: what a graph draws from
Psi = npt.NDArray[np.float32]  # (N,)
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

    def run(self, z: Rows, label: Labels | None) -> Images:
        """Pictures for latents and, for a conditional generator, labels; where there is a mapping, also for styles alone."""

    def on_device(self, z: Rows, label: Labels | None) -> Callable[[], None] | None:
        """What draws these again and waits, with the latents on the device already and the pictures left there.

        None where nothing is ever copied, as on a CPU. For measuring; raises BackendUnavailable where it is not possible.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


@runtime_checkable
class MapsStyles(Protocol):
    """What a runner can do besides, where its generator has a mapping."""

    def styles(self, z: Latents, label: Labels | None, psi: Psi) -> Styles:
        """The styles that `run` draws, psi of the way from the mean style to those of the latents."""
