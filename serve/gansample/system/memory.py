"""Memory that a process has freed and its C library keeps."""

import ctypes
import gc
import sys


def return_freed_memory() -> None:
    """Give it back to the system, where glibc is the C library; elsewhere there is nothing to do.

    After layers of large pictures glibc keeps a gigabyte in pieces, which the next runtime, with arenas of its own, cannot use.
    """
    gc.collect()
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # musl has none
        return
