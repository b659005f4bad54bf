"""A sampler that may be served: its files are intact, and on this machine it draws the goldens."""

from gansample.bundle.goldens import check_goldens, read_goldens
from gansample.bundle.open import Bundle
from gansample.sampling.options import EngineOptions
from gansample.sampling.sampler import Sampler, open_sampler
from gansample.sampling.verify import check_digests


def open_verified(
    bundle: Bundle, options: EngineOptions = EngineOptions(), *, variant: str | None = None, pictures: int | None = None
) -> Sampler:
    """As `open_sampler`, after checking the digest of every file and drawing the goldens.

    Raises ArtefactError, BackendUnavailable or ParityError.
    """
    check_digests(bundle)
    sampler = open_sampler(
        bundle, options.backend, options.threads, variant=variant, precision=options.precision, pictures=pictures
    )
    try:
        check_goldens(sampler.runner, read_goldens(bundle), bundle.variant(sampler.runner.variant).precision)
    except BaseException:
        sampler.close()
        raise
    return sampler
