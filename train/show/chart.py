"""A line chart as inline SVG, whose colours are the page's own, so that it follows light and dark."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 68, 10, 10, 28  # room for the axes' words, which are larger on a phone
POINTS = 300  # of a curve: more than the eye tells apart at this width

Curve = Sequence[tuple[float, float]]
"""(images seen, value), in order."""


def chart_svg(
    title: str, curves: Mapping[str, Curve], levels: Mapping[str, float] | None = None, *, logarithmic: bool = False
) -> str:
    """Curves over images seen, with a legend above them; `levels` are dotted lines, such as what real pictures get.

    logarithmic  distances fall by powers of ten; values that are not positive are then left out.
    """
    levels = levels or {}
    shown = {name: _thinned([point for point in curve if not logarithmic or point[1] > 0]) for name, curve in curves.items()}
    values = [value for curve in shown.values() for _, value in curve]
    values += [level for level in levels.values() if not logarithmic or level > 0]
    end = max((seen for curve in shown.values() for seen, _ in curve), default=0) or 1
    ticks = _powers(values) if logarithmic else _ticks(values)
    low, high = ticks[0], ticks[-1]

    def x(seen: float) -> float:
        return LEFT + seen / end * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if logarithmic else (value - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    last = "; ".join(f"{name} ends at {curve[-1][1]:.3g}" for name, curve in shown.items() if curve)
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}: {last}")}">']
    for tick, words in zip(ticks, _numbers(ticks), strict=True):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{words}</text>')
    for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        parts.append(f'<text x="{x(end * share):.1f}" y="{HEIGHT - 6}" text-anchor="{anchor}">{_number(end * share, 3)}</text>')
    for name, level in levels.items():
        if not logarithmic or level > 0:
            parts.append(
                f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}">'
                f"<title>{escape(name)}: {level:.3g}</title></line>"
            )
    for index, curve in enumerate(shown.values()):
        path = " ".join(f"{x(seen):.1f},{y(value):.1f}" for seen, value in curve)
        parts.append(f'<polyline class="curve c{index}" points="{path}"/>')
        if len(curve) <= 30:
            parts += [f'<circle class="c{index}" cx="{x(seen):.1f}" cy="{y(value):.1f}" r="2.5"/>' for seen, value in curve]
    legend = [f'<span class="key c{index}">{escape(name)}</span>' for index, name in enumerate(shown)]
    legend += [f'<span class="key level">{escape(name)}</span>' for name in levels]
    parts.append("</svg>")
    return f"<figure><figcaption><b>{escape(title)}</b> {' '.join(legend)}</figcaption>{''.join(parts)}</figure>"


def _thinned(curve: Curve) -> Curve:
    """Means over equally many neighbours where there are more than POINTS points."""
    size = math.ceil(len(curve) / POINTS)
    if size <= 1:
        return curve
    parts = [curve[start : start + size] for start in range(0, len(curve), size)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]


def _ticks(values: Sequence[float]) -> list[float]:
    """Three to six round numbers that enclose the values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * factor for factor in (0.2, 0.5, 1, 2) if span / (power * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * index for index in range(first, max(last, first + 1) + 1)]


def _powers(values: Sequence[float]) -> list[float]:
    """At most six powers of ten, equally far apart, that enclose the values, all of them positive."""
    first = math.floor(math.log10(min(values, default=1.0)))
    last = max(math.ceil(math.log10(max(values, default=10.0))), first + 1)
    step = math.ceil((last - first) / 5)
    return [10.0 ** (first + step * index) for index in range(math.ceil((last - first) / step) + 1)]


def _numbers(ticks: Sequence[float]) -> list[str]:
    """Each tick with as many digits as tell it from the others."""
    for digits in range(3, 8):
        words = [_number(tick, digits) for tick in ticks]
        if len(set(words)) == len(words):
            break
    return words


def _number(value: float, digits: int) -> str:
    """As short as it stays true: 1,200 · 80k · 2.5M · 0.05 · 1e-4."""
    if value != 0 and not 1e-3 <= abs(value) < 1e12:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    for power, word in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= power:
            return f"{value / (1e3 if word == 'k' else power):.{digits}g}{word}"
    return f"{value:,.0f}" if abs(value) >= 100 and digits == 3 else f"{value:,.{digits}g}"
