"""Open the page in the browser of whoever sits at this machine, if anybody does."""

import os
import sys
import threading
import webbrowser
from collections.abc import Mapping

# Where one of these is set, nobody sits there: another machine's terminal, or a test.
ELSEWHERE = ("SSH_CONNECTION", "SSH_TTY", "CI")
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")  # on Linux and its relatives; macOS and Windows always have one


def has_desktop(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser that is opened here would be seen, by whoever started this program from a terminal."""
    if not sys.stderr.isatty() or any(environment.get(name) for name in ELSEWHERE):
        return False
    return platform in ("darwin", "win32") or any(environment.get(name) for name in DISPLAYS)


def open_browser(url: str) -> None:
    """Ask the system's browser to show `url`, and do not wait: some browsers return only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True, name="browser").start()
