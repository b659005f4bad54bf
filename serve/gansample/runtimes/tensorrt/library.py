"""The TensorRT that is installed: version 10 or 11, or TensorRT for RTX, whose bindings are nearly the same.

TensorRT proper builds and runs on the GPU at hand. TensorRT for RTX builds engines for GeForce and RTX cards of several
generations, on machines without any, and compiles their kernels on the card when they are first used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from gansample.errors import BackendUnavailable


@dataclass(frozen=True, slots=True)
class Flavour:
    """One of the two products."""

    name: str
    module: str
    extra: str
    """Of gansample, which installs it."""
    majors: range
    """Versions whose bindings this code was held against."""


FLAVOURS: Mapping[str, Flavour] = {
    "tensorrt": Flavour("TensorRT", "tensorrt", "trt", range(10, 12)),
    "tensorrt-rtx": Flavour("TensorRT for RTX", "tensorrt_rtx_bindings", "rtx", range(1, 2)),
}  # by backend


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded TensorRT."""

    backend: str
    module: ModuleType

    @property
    def version(self) -> str:
        return str(self.module.__version__)

    @property
    def name(self) -> str:
        """With its version, for people."""
        return f"{FLAVOURS[self.backend].name} {self.version}"

    @property
    def key(self) -> str:
        """In the key of a cached engine: no other version may run it."""
        return f"rtx-{self.version}" if self.for_rtx else self.version

    @property
    def for_rtx(self) -> bool:
        return self.backend == "tensorrt-rtx"


def load_library(backend: str) -> Library:
    """The library behind a backend. Raises BackendUnavailable with the pip line where it is absent or cannot be loaded."""
    flavour = FLAVOURS[backend]
    try:
        module = import_module(flavour.module)
    except ModuleNotFoundError:
        raise BackendUnavailable(f"{flavour.name} is not installed", f"pip install 'gansample[{flavour.extra}]'") from None
    except (ImportError, OSError) as error:  # its own libraries are missing, or too old
        raise BackendUnavailable(
            f"{flavour.name} cannot be loaded ({error})", f"pip install --force-reinstall 'gansample[{flavour.extra}]'"
        ) from None
    if (major := int(str(module.__version__).split(".")[0])) not in flavour.majors:
        works = " and ".join(map(str, flavour.majors))
        fix = f"pip install 'gansample[{flavour.extra}]' (this knows {works})"
        raise BackendUnavailable(f"{flavour.name} {module.__version__} is version {major}", fix)
    return Library(backend, module)
