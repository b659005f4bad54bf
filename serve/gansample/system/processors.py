"""How many processors this process may use."""

import os


def usable_processors() -> int:
    """Those that the process is allowed, as taskset and containers set them; macOS and Windows know only of all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
