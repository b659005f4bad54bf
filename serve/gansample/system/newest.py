"""Which of several folders was written last."""

from pathlib import Path


def folders_newest_first(root: Path, marker: str) -> list[Path]:
    """Folders directly under `root` that hold a file `marker`, the one whose marker was written last first; no hidden ones."""
    found = [path for path in root.glob(f"*/{marker}") if not path.parent.name.startswith(".")]
    return [path.parent for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path), reverse=True)]
