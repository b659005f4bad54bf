"""Pictures per second of contestants that take turns: the rows of a result file, and their table."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Draw = Callable[[], object]
"""Draws one batch: what is timed."""

STEADY = 0.15  # spread up to which a figure is published unmarked


def unsteady(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """Those whose middle half spreads over more than STEADY of the median."""
    return [name for name, times in seconds.items() if _spread(times) > STEADY]


def _spread(times: Sequence[float]) -> float:
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / statistics.median(times)


def rows(seconds: Mapping[str, Sequence[float]], batch: int, reference: str) -> list[dict[str, Any]]:
    """Medians of the seconds that each contestant took for `batch` pictures, as ratios to `reference`."""
    peer = statistics.median(seconds[reference])
    return [_row(name, times, batch, peer) for name, times in seconds.items()]


def _row(name: str, times: Sequence[float], batch: int, peer: float) -> dict[str, Any]:
    median = statistics.median(times)
    return {
        "name": name,
        "images_per_second": round(batch / median, 1),
        "ratio": round(peer / median, 2),
        "spread": round(_spread(times), 3),
        "best_images_per_second": round(batch / min(times), 1),
    }


def cells(row: Mapping[str, Any]) -> str:
    """The spread is half of the middle half's width; bold where it is too wide to rely on the figure."""
    spread = f"± {row['spread'] / 2:.0%}"
    spread = f"**{spread}**" if row["spread"] > STEADY else spread
    return f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× | {spread} |"


def table(heading: str, lines: Iterable[str], document: Mapping[str, Any]) -> str:
    """`heading` names the columns, `lines` are rows as `cells` starts them; below stands what was measured and on what."""
    machine = document["machine"]
    columns = heading.count("|") - 1
    measured = f"{document['model']}; batch {document['batch']}, medians of {document['rounds']} interleaved rounds,"
    threads = f"{document['threads']} threads of " if "threads" in document else ""
    where = f"{threads}{machine['processor']} ({', '.join(machine['instructions'])}), {machine['date']}."
    return "\n".join([heading, "|---|---:|---:|---:|" + "---:|" * (columns - 4), *lines, "", measured, where])
