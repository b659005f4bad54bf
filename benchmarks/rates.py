"""Pictures per second of contestants that take turns: the rows of a result file, and their table."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def rows(seconds: Mapping[str, Sequence[float]], batch: int, reference: str) -> list[dict[str, Any]]:
    """Medians of the seconds that each contestant took for `batch` pictures, as ratios to `reference`."""
    peer = statistics.median(seconds[reference])
    return [_row(name, times, batch, peer) for name, times in seconds.items()]


def _row(name: str, times: Sequence[float], batch: int, peer: float) -> dict[str, Any]:
    median = statistics.median(times)
    low, _, high = statistics.quantiles(times, n=4)
    return {
        "name": name,
        "images_per_second": round(batch / median, 1),
        "ratio": round(peer / median, 2),
        "spread": round((high - low) / median, 3),
        "best_images_per_second": round(batch / min(times), 1),
    }


def cells(row: Mapping[str, Any]) -> str:
    return f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× | ± {row['spread'] / 2:.0%} |"


def table(heading: str, lines: Iterable[str], document: Mapping[str, Any]) -> str:
    """`heading` names the columns, `lines` are rows as `cells` starts them; below stands what was measured and on what."""
    machine = document["machine"]
    columns = heading.count("|") - 1
    measured = f"{document['model']}; batch {document['batch']}, medians of {document['rounds']} interleaved rounds,"
    threads = f"{document['threads']} threads of " if "threads" in document else ""
    where = f"{threads}{machine['processor']} ({', '.join(machine['instructions'])})."
    return "\n".join([heading, "|---|---:|---:|---:|" + "---:|" * (columns - 4), *lines, "", measured, where])
