"""Which pictures are held out: every run, score and class choice sees the same ones."""

import numpy as np
import numpy.typing as npt

from train.data.collection import Labels
from train.data.dataset import SPLIT_SEED

SHARE = 0.1
FEWEST, MOST = 64, 10_000  # below, no distance between distributions means anything; above, it gets no better


def held_out(count: int, labels: Labels | None) -> npt.NDArray[np.bool_]:
    """Which of `count` pictures are held out, bool (count,): a tenth, of every class the same share; at most half.

    The pictures are shuffled, sorted by class, and then every n-th is taken: no class is off by more than one.
    """
    wanted = min(max(round(SHARE * count), FEWEST), MOST, count // 2)
    order = np.random.RandomState(SPLIT_SEED).permutation(count)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    chosen = np.zeros(count, bool)
    chosen[order[((np.arange(wanted) + 0.5) * count / max(wanted, 1)).astype(int)]] = True
    return chosen
