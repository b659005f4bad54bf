"""Which engine draws on the cluster: tried on a worker, verified by the goldens, and then the same on all workers."""

from dataclasses import replace
from typing import Any

from gansample.bundle.open import Bundle, open_bundle
from gansample.errors import ArtefactError, BackendUnavailable
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.sampling.open_verified import open_verified
from gansample.sampling.options import EngineOptions
from gansample.sampling.sampler import Engine, Sampler

START_TIMEOUT = 600.0  # seconds for an engine to start: TensorRT may have to build one


def worker_options(options: EngineOptions, bundle: Bundle) -> EngineOptions:
    """How every worker opens `bundle`: by its absolute path, with one thread unless another number was given."""
    threads = options.threads or (None if options.backend in GPU_BACKENDS else 1)
    return replace(options, bundle=bundle.path.resolve(), threads=threads)


def actor_resources(options: EngineOptions) -> dict[str, Any]:
    """The resources that one engine reserves, as Ray's options for an actor."""
    return {"num_cpus": options.threads or 1, **({"num_gpus": 1} if options.backend in GPU_BACKENDS else {})}


def choose_engine(
    ray: Any, sha256: str, options: EngineOptions, *, variant: str | None = None, pictures: int | None = None
) -> Engine:
    """The engine that a worker chose, after it has drawn the goldens there.

    sha256    of the bundle that `options` name (`worker_options`).
    variant   exactly this one.
    pictures  how many will be drawn in all.

    What one worker chose, all should use: two engines may differ by one step in a pixel.

    Raises ArtefactError, BackendUnavailable or ParityError.
    """
    from ray.exceptions import GetTimeoutError, RayTaskError

    task = ray.remote(_try_engine).options(**{**actor_resources(options), "num_cpus": 0}, max_retries=0)
    try:
        engine: Engine = ray.get(task.remote(options, sha256, variant, pictures), timeout=START_TIMEOUT)
        return engine
    except RayTaskError as error:
        raise error.cause from None
    except GetTimeoutError:
        words = f"no worker opened {options.bundle} within {START_TIMEOUT:.0f} s"
        raise BackendUnavailable(words, "are there enough resources? see: ray status") from None


def _try_engine(options: EngineOptions, sha256: str, variant: str | None, pictures: int | None) -> Engine:
    with open_on_worker(options, sha256, variant, pictures) as sampler:
        return sampler.engine


def open_on_worker(options: EngineOptions, sha256: str, variant: str | None = None, pictures: int | None = None) -> Sampler:
    """The bundle that `options` name, on the machine where this runs, verified. Raises ArtefactError for another digest."""
    bundle = open_bundle(options.bundle)
    if bundle.sha256 != sha256:
        raise ArtefactError(
            f"{options.bundle} is model {bundle.sha256[:12]} on this machine, and {sha256[:12]} is wanted",
            "put the same bundle at the same path on every machine",
        )
    return open_verified(bundle, options, variant=variant, pictures=pictures)
