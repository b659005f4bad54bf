"""Draw pictures from exported GAN generators: fast, reproducible, without PyTorch.

    from gansample import open_sampler

    with open_sampler("artifacts/digits") as sampler:
        images = sampler.sample(seeds=range(64))        # uint8 (64, 32, 32, 1)

Nothing heavy is imported until it is used, so `gansample --help` answers at once.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gansample.bundle.open import Bundle as Bundle
    from gansample.bundle.open import open_bundle as open_bundle
    from gansample.bundle.spec import Spec as Spec
    from gansample.cli.draw import draw as draw
    from gansample.cli.draw_report import DrawReport as DrawReport
    from gansample.errors import ArtefactError as ArtefactError
    from gansample.errors import BackendUnavailable as BackendUnavailable
    from gansample.errors import GansampleError as GansampleError
    from gansample.errors import OutputError as OutputError
    from gansample.errors import ParityError as ParityError
    from gansample.errors import UsageError as UsageError
    from gansample.outputs.options import DrawOptions as DrawOptions
    from gansample.outputs.options import OutputOptions as OutputOptions
    from gansample.sampling.options import EngineOptions as EngineOptions
    from gansample.sampling.options import SelectionOptions as SelectionOptions
    from gansample.sampling.sampler import Sampler as Sampler
    from gansample.sampling.sampler import open_sampler as open_sampler

_HOME = {
    "ArtefactError": "errors",
    "BackendUnavailable": "errors",
    "Bundle": "bundle.open",
    "DrawOptions": "outputs.options",
    "DrawReport": "cli.draw_report",
    "EngineOptions": "sampling.options",
    "GansampleError": "errors",
    "OutputError": "errors",
    "OutputOptions": "outputs.options",
    "ParityError": "errors",
    "Sampler": "sampling.sampler",
    "SelectionOptions": "sampling.options",
    "Spec": "bundle.spec",
    "UsageError": "errors",
    "draw": "cli.draw",
    "open_bundle": "bundle.open",
    "open_sampler": "sampling.sampler",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gansample.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
