"""Where this program keeps its caches."""

import os
import tempfile
from pathlib import Path


def user_cache_dir() -> Path:
    """`gansample` in the user's cache folder (XDG base directories); it may not exist, and may not be writable."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / f"gansample-{os.getuid() if os.name == 'posix' else 'user'}" / "gansample"
    return home / "gansample"
