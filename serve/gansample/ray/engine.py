"""Which engine draws on the cluster: tried where it would run, proven by the goldens, and then the same everywhere."""

from pathlib import Path
from typing import Any

from gansample.bundle.open import Bundle, open_bundle
from gansample.errors import ArtefactError, BackendUnavailable
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.sampling.open_verified import open_proven
from gansample.sampling.sampler import Engine, Sampler

PATIENCE = 600.0  # seconds for an engine to start: TensorRT may have to build one


def place_of(backend: str, threads: int) -> dict[str, Any]:
    """What one engine takes of the cluster, in Ray's words."""
    return {"num_cpus": threads, **({"num_gpus": 1} if backend in GPU_BACKENDS else {})}


def choose_engine(ray: Any, bundle: Bundle, place: dict[str, Any], wishes: dict[str, Any]) -> Engine:
    """What draws where `place` is to be had, after it has drawn the goldens there.

    What one machine chose, all should use: two engines may differ by one step in a pixel.

    Raises ArtefactError, BackendUnavailable or ParityError.
    """
    from ray.exceptions import GetTimeoutError, RayTaskError

    task = ray.remote(_try).options(**{**place, "num_cpus": 0}, max_retries=0)
    path = str(bundle.path.resolve())
    try:
        engine: Engine = ray.get(task.remote(path, bundle.sha256, wishes), timeout=PATIENCE)
        return engine
    except RayTaskError as error:
        raise error.cause from None
    except GetTimeoutError:
        words = f"nothing on the cluster could try {path} within {PATIENCE:.0f} s"
        raise BackendUnavailable(words, "is there room for it? see: ray status") from None


def _try(path: str, sha256: str, wishes: dict[str, Any]) -> Engine:
    with open_there(path, sha256, wishes) as sampler:
        return sampler.engine


def open_there(path: str, sha256: str, wishes: dict[str, Any]) -> Sampler:
    """On whichever machine this runs: the bundle at `path`, proven. `wishes` as for `open_sampler`."""
    bundle = open_bundle(Path(path))
    if bundle.sha256 != sha256:
        raise ArtefactError(
            f"{path} is model {bundle.sha256[:12]} on this machine, and {sha256[:12]} is wanted",
            "put the same bundle at the same path on every machine",
        )
    return open_proven(bundle, **wishes)
