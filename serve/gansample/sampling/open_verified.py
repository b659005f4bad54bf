"""A sampler that may be served: whole files, and on this machine the pictures that PyTorch drew."""

from typing import Any

from gansample.bundle.goldens import check_goldens, read_goldens
from gansample.bundle.open import Bundle
from gansample.sampling.sampler import Sampler, open_sampler
from gansample.sampling.verify import check_digests


def open_proven(bundle: Bundle, backend: str = "auto", threads: int | None = None, **wishes: Any) -> Sampler:
    """As `open_sampler`, after the digest of every file was right and the engine has drawn the goldens.

    Raises ArtefactError, BackendUnavailable or ParityError where one of that is not so.
    """
    check_digests(bundle)
    sampler = open_sampler(bundle, backend, threads, **wishes)
    try:
        check_goldens(sampler.runner, read_goldens(bundle), bundle.variant(sampler.runner.variant).precision)
    except BaseException:
        sampler.close()
        raise
    return sampler
