"""How many threads are worth starting."""

import os

MOST = 16  # beyond, the one thread that reads the files is what they wait for


def cores() -> int:
    """Processors that this process may use, at most `MOST`."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS has none
    return min(allowed, MOST)
