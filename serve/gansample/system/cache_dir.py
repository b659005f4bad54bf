"""Where this program keeps things of its own on a machine."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder as the XDG specification has it, with our name; it may not exist, and may not be writable."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"gansample-{os.getuid() if os.name == 'posix' else 'user'}" / "gansample"
    return home / "gansample"
