"""Speed against fidelity, as an inline SVG: which variants are worth having."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gansample.bundle.fidelity import Verdict

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 68, 24, 16, 48  # room for the axes' words
LABEL_HEIGHT = 17
IDENTICAL_DB = 120.0  # where pictures without any difference are drawn: their PSNR is infinite


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    images_per_second: float
    psnr_db: float
    """May be infinite."""
    verdict: Verdict


def pareto_svg(points: Sequence[Point]) -> str:
    """A scatter plot; the line joins the passing variants that no other beats in both speed and fidelity.

    Colours come from the page's CSS classes, so that it follows light and dark.
    """
    fastest = _round_up(max((point.images_per_second for point in points), default=1) * 1.12)
    heights = [min(point.psnr_db, IDENTICAL_DB) for point in points]
    low = math.floor((min(heights, default=20) - 3) / 20) * 20

    def x(rate: float) -> float:
        return LEFT + rate / fastest * (WIDTH - LEFT - RIGHT)

    def y(psnr_db: float) -> float:
        share = (min(psnr_db, IDENTICAL_DB) - low) / (IDENTICAL_DB - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg class="pareto" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Speed against fidelity of every variant; the figures stand in the table above">'
    ]
    for level in range(low, int(IDENTICAL_DB) + 1, 20):
        word = "identical" if level == IDENTICAL_DB else f"{level} dB"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
        parts.append(f'<text class="axis" x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{word}</text>')
    for i in range(5):
        rate = fastest * i / 4
        parts.append(f'<text class="axis" x="{x(rate):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{rate:,.0f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">pictures per second, batch 64</text>'
    )
    front = pareto_front(points)
    if len(front) > 1:
        path = " ".join(f"{x(point.images_per_second):.1f},{y(point.psnr_db):.1f}" for point in front)
        parts.append(f'<polyline class="front" points="{path}"/>')
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda point: (-point.psnr_db, -point.images_per_second)):
        px, py = x(point.images_per_second), y(point.psnr_db)
        parts.append(f'<circle class="{point.verdict.replace(" ", "-")}" cx="{px:.1f}" cy="{py:.1f}" r="6"/>')
        words = f"{escape(point.name)} · {point.images_per_second:,.0f}/s"
        length = 7.2 * len(words)
        left = px + length + 12 > WIDTH - RIGHT
        start, end = (px - 12 - length, px - 12) if left else (px + 12, px + 12 + length)
        ly = py + 4
        while any(abs(ly - other) < LABEL_HEIGHT and start < stop and begin < end for begin, stop, other in taken):
            ly += LABEL_HEIGHT
        taken.append((start, end, ly))
        anchor = "end" if left else "start"
        parts.append(f'<text x="{end if left else start:.1f}" y="{ly:.1f}" text-anchor="{anchor}">{words}</text>')
    return "\n".join([*parts, "</svg>"])


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The passing points that no other passing point beats in both directions, slowest first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (-point.images_per_second, -point.psnr_db)):
        if point.verdict == "PASS" and (not front or point.psnr_db > front[-1].psnr_db):
            front.append(point)
    return front[::-1]


def _round_up(rate: float) -> float:
    """To the next 1, 2, 4 or 8 times a power of ten, which quarters evenly."""
    power = 10.0 ** math.floor(math.log10(rate))
    return next(power * factor for factor in (1, 2, 4, 8, 10) if power * factor >= rate)
