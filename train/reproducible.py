"""The same seed, the same weights: what has to be said to torch before anything is computed."""

import torch


def make_reproducible(threads: int) -> None:
    """Refuse operations without a deterministic form, and flush denormals, which are slow and differ between processors.

    The same kind of processor and number of threads then give the same weights, bit for bit.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
