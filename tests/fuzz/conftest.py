"""`--minutes` for all targets together, and a table of figures at the end."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis.strategies import SearchStrategy

from tests.fuzz.explore import HEAD, Explore, Figures, explore
from tests.fuzz.programs import Programs

HERE = Path(__file__).parent
FIGURES = pytest.StashKey[list[Figures]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=1.0, help="of fuzzing, for all targets together")
    parser.addoption("--first", type=int, default=None, help="seed of Hypothesis to begin with, random without it")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.fuzz)
            item.add_marker(pytest.mark.timeout(0))  # --minutes ends it


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Counted by whoever calls something, and printed at the end."""
    figures = Figures(target=request.node.name.removeprefix("test_").replace("_", " "))
    request.config.stash[FIGURES].append(figures)
    return figures


@pytest.fixture
def fuzz(request: pytest.FixtureRequest, figures: Figures) -> Explore:
    """`fuzz(check, examples)` calls `check` with examples for this target's share of the minutes."""
    seconds = 60 * request.config.getoption("--minutes") / len(request.session.items)
    first = request.config.getoption("--first")
    if first is None:
        first = random.SystemRandom().randrange(2**32)

    def run(check: Callable[[Any], None], examples: SearchStrategy[Any]) -> None:
        explore(check, examples, seconds, first, figures)

    return run


@pytest.fixture
def programs(figures: Figures) -> Iterator[Programs]:
    """The commands: `programs("gan", "info", path, cwd=folder)`."""
    with Programs(figures) as programs:
        yield programs


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[FIGURES]:
        terminalreporter.write_line(HEAD)
        for figures in config.stash[FIGURES]:
            terminalreporter.write_line(figures.row())
