"""The rooms stay rooms: what a reader of docs/architecture.md is told about the tree holds. Imports: `make lint`."""

from tests.support.repository import ROOT

SHIPPED = {"py.typed", "bundles"}


def entries(folder: str) -> set[str]:
    return {path.name for path in (ROOT / folder).iterdir() if not path.name.startswith(("_", "."))}


def test_gansample_shows_at_most_twelve_entries() -> None:
    assert len(entries("serve/gansample") - SHIPPED) <= 12


def test_tests_lie_in_the_rooms_they_test() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    assert folders == {"train", "export", "serve", "demo", "fuzz", "webgpu", "support"}
