"""How large a picture each form of output can hold, asked before anything is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

from gansample.errors import UsageError
from gansample.outputs.forms import GRIDS


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a form's encoder takes."""

    side: int
    """Pixels of width or height."""
    pixels: int | None = None
    """Width times height; None where only the sides count."""


_LEVEL_62 = 139_264 * 16 * 16  # pixels of a frame at the highest level of H.264 (table A-1) and, the same, of VP9
LIMITS: Mapping[str, Limit] = {
    "webp": Limit(16_383),  # 14 bits each (RFC 9649, 2.5)
    "jpg": Limit(65_500),  # the format has 16 bits, libjpeg's JPEG_MAX_DIMENSION is a little less
    "gif": Limit(65_535),
    "mp4": Limit(16_384, _LEVEL_62),  # libx264 takes no longer side; no player promises more than the level
    "webm": Limit(16_384, _LEVEL_62),
}


class TooLargeForForm(UsageError):
    """The picture is larger than this form of output can be."""


def check_size(form: str, width: int, height: int, channels: int = 3) -> None:
    """Raise TooLargeForForm, naming what can hold it, where a `form` of width × height pixels cannot be written."""
    if _holds(form, width, height):
        return
    limit = LIMITS[form]
    most = f"{limit.side:,} a side" + (f" and {limit.pixels:,} in all" if limit.pixels else "")
    raise TooLargeForForm(
        f"{width:,}×{height:,} pixels are too many for a .{form}, which holds {most}",
        f"write a {_alternative(form, width, height, channels)}",
    )


def _holds(form: str, width: int, height: int) -> bool:
    limit = LIMITS.get(form)
    return limit is None or (max(width, height) <= limit.side and width * height <= (limit.pixels or width * height))


def _alternative(form: str, width: int, height: int, channels: int) -> str:
    if form not in GRIDS:
        return "folder of pictures, or upscale less" if form == "gif" else "folder of pictures or a .gif, or upscale less"
    kept = [other for other in GRIDS if _holds(other, width, height) and (other != "jpg" or channels in (1, 3))]
    return " or ".join(f".{other}" for other in kept)
