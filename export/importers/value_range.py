"""Which values a network's pictures lie in: told, read off its last operation, measured at the bounds, or assumed."""

import torch
from torch import Tensor

from export.importers.import_log import ImportLog
from gansample.bundle.spec import ValueRange
from gansample.errors import ArtefactError

BOUNDS: dict[ValueRange, tuple[float, float]] = {"tanh": (-1, 1), "sigmoid": (0, 1), "bytes": (0, 255)}
REACHED = 0.05  # of the span: how near the values must come to both bounds to show them


def find_range(
    images: Tensor,
    log: ImportLog,
    told: tuple[ValueRange, str] | None = None,
    last: str = "",
    assumed: ValueRange | None = None,
) -> ValueRange:
    """The value range of `images`, float (N, C, H, W).

    told     the range, and who told it: it wins over what is measured.
    last     the network's last operation.
    assumed  the range of a last activation that is itself assumed.

    Raises ArtefactError where no value is finite.
    """
    finite = images[torch.isfinite(images)]
    if finite.numel() == 0:
        raise ArtefactError("the generator draws NaN or infinity (100% of the pixels)", "use an earlier checkpoint")
    low, high = float(finite.min()), float(finite.max())
    seen = f"values lie in {low:.3g}..{high:.3g}"
    if told is not None:
        found = told[0]
        log.fact("range", _described(found), "told", told[1])
    elif assumed is not None:
        found = assumed
        log.fact("range", _described(found), "assumed", "no tensor tells the last activation; --range says otherwise")
    elif last in ("tanh", "sigmoid"):
        found = "tanh" if last == "tanh" else "sigmoid"
        log.fact("range", _described(found), "told", f"the network ends in {last}")
    else:
        found = _range_of(low, high)
        if _reaches(low, high, found):
            log.fact("range", _described(found), "measured", seen)
        else:
            log.fact("range", _described(found), "assumed", f"{seen}, which shows no bounds; --range says otherwise")
    bottom, top = BOUNDS[found]
    clipped = float(((finite < bottom - 1e-3 * (top - bottom)) | (finite > top + 1e-3 * (top - bottom))).double().mean())
    if clipped > 0:
        log.warn(f"the output is unbounded: {seen}, {clipped:.1%} of the pixels are clipped to {found} ({bottom:g}..{top:g})")
    return found


def _described(value_range: ValueRange) -> str:
    bottom, top = BOUNDS[value_range]
    return f"{value_range} ({bottom:g}..{top:g})"


def _range_of(low: float, high: float) -> ValueRange:
    if high > 8 and low > -0.2 * high:
        return "bytes"
    return "sigmoid" if low >= -1e-3 and high <= 1.001 else "tanh"


def _reaches(low: float, high: float, value_range: ValueRange) -> bool:
    """Whether the values come to both bounds and never pass them."""
    bottom, top = BOUNDS[value_range]
    slack, near = 1e-3 * (top - bottom), REACHED * (top - bottom)
    return bottom - slack <= low <= bottom + near and top - near <= high <= top + slack
