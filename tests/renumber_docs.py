"""Point docs/gan.md at the lines where the code it names stands now: `python -m tests.renumber_docs`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/gan.md"
LINK = re.compile(r"\[(?:`([^`]+)`|(\w+))\]\(\.\./(train/[\w/]+\.py)#L(\d+)\)")
WORDS = {"refused": "raise UsageError", "recomputed": "def recompute_statistics"}
"""Links whose text is prose, and what their line holds."""


def places(wanted: str, path: str) -> list[int]:
    """Lines of `path` that define `wanted` or, where none does, hold it; 1 is the first."""
    lines = (ROOT / path).read_text().splitlines()
    defined = re.compile(rf"(def|class) {re.escape(wanted)}\b") if wanted.isidentifier() else None
    found = [number for number, text in enumerate(lines, 1) if defined and defined.search(text)]
    return found or [number for number, text in enumerate(lines, 1) if wanted in text]


def renumbered(page: str) -> str:
    """The page with every link at the place nearest to where it pointed."""

    def nearest(link: re.Match[str]) -> str:
        wanted, path, line = link[1] or WORDS[link[2]], link[3], int(link[4])
        found = places(wanted, path)
        if not found:
            raise SystemExit(f"{wanted} is nowhere in {path}: mend the link by hand")
        return link[0].replace(f"#L{line}", f"#L{min(found, key=lambda number: abs(number - line))}")

    return LINK.sub(nearest, page)


if __name__ == "__main__":
    PAGE.write_text(renumbered(PAGE.read_text()))
