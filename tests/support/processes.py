"""Running the real commands."""

import signal
import subprocess
from collections.abc import Callable

Command = Callable[..., subprocess.CompletedProcess[bytes]]


def listen_to_interrupts() -> None:
    """For `preexec_fn`: a suite started in the background hands down an ignored SIGINT, which Python then respects."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
