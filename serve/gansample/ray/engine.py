"""Which engine draws on the cluster: tried on a worker, verified by the goldens, and then the same on all workers."""

from pathlib import Path
from typing import Any

from gansample.bundle.open import Bundle, open_bundle
from gansample.errors import ArtefactError, BackendUnavailable
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.sampling.open_verified import open_verified
from gansample.sampling.sampler import Engine, Sampler

START_TIMEOUT = 600.0  # seconds for an engine to start: TensorRT may have to build one


def actor_resources(backend: str, threads: int) -> dict[str, Any]:
    """The resources that one engine reserves, as Ray's options for an actor."""
    return {"num_cpus": threads, **({"num_gpus": 1} if backend in GPU_BACKENDS else {})}


def choose_engine(ray: Any, bundle: Bundle, resources: dict[str, Any], wishes: dict[str, Any]) -> Engine:
    """The engine that a worker with `resources` chose, after it has drawn the goldens there.

    What one worker chose, all should use: two engines may differ by one step in a pixel.

    Raises ArtefactError, BackendUnavailable or ParityError.
    """
    from ray.exceptions import GetTimeoutError, RayTaskError

    task = ray.remote(_try_engine).options(**{**resources, "num_cpus": 0}, max_retries=0)
    path = str(bundle.path.resolve())
    try:
        engine: Engine = ray.get(task.remote(path, bundle.sha256, wishes), timeout=START_TIMEOUT)
        return engine
    except RayTaskError as error:
        raise error.cause from None
    except GetTimeoutError:
        words = f"no worker opened {path} within {START_TIMEOUT:.0f} s"
        raise BackendUnavailable(words, "are there enough resources? see: ray status") from None


def _try_engine(path: str, sha256: str, wishes: dict[str, Any]) -> Engine:
    with open_on_worker(path, sha256, wishes) as sampler:
        return sampler.engine


def open_on_worker(path: str, sha256: str, wishes: dict[str, Any]) -> Sampler:
    """The bundle at `path` on the machine where this runs, verified. `wishes` as for `open_sampler`."""
    bundle = open_bundle(Path(path))
    if bundle.sha256 != sha256:
        raise ArtefactError(
            f"{path} is model {bundle.sha256[:12]} on this machine, and {sha256[:12]} is wanted",
            "put the same bundle at the same path on every machine",
        )
    return open_verified(bundle, **wishes)
