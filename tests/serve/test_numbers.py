"""Numbers of any length, and what lies beside them, are one-line refusals on the command line: never a traceback."""

import pytest

from gansample.cli.fast_parser import parse_fast
from gansample.cli.serve import parse_replicas
from gansample.errors import UsageError
from gansample.latents import LatentSpace
from gansample.sampling.classes import parse_classes
from gansample.sampling.options import SelectionOptions, TooManyPictures
from gansample.system.numbers import MAX_DIGITS, whole_number
from tests.support.processes import Command

LONG = "9" * 5_000  # Python reads 4,300 digits


def test_whole_numbers() -> None:
    assert [whole_number(text) for text in ("0", "007", "4294967295", "9" * MAX_DIGITS)] == [
        0,
        7,
        4294967295,
        10**MAX_DIGITS - 1,
    ]
    assert [whole_number(text) for text in ("", "-1", "+1", "1.0", "1e3", "1_000", " 1", "²", "٣", "x" * 5_000)] == [None] * 10
    for text in (LONG, "0" * 5_000 + "7"):
        with pytest.raises(UsageError, match=r"has 5,00\d digits") as refused:
            whole_number(text)
        assert len(str(refused.value)) < 300, "what is refused is quoted, but not all of it"


@pytest.mark.parametrize(
    "options",
    [
        {"seeds": LONG},
        {"seeds": f"1-{LONG}"},
        {"walk": f"1,{LONG}"},
        {"mix": f"1+{LONG}"},
        {"mix": f"{LONG}-1"},
        {"seed": 10**4_299},
        {"n": 10**4_299},
        {"around": 1, "n": 2**63},
        {"around": 10**4_299},
        {"walk": "x" * 10_000},
    ],
    ids=lambda options: "-".join(options),
)
def test_selections(options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        SelectionOptions(**options).selection(LatentSpace(4))  # type: ignore[arg-type]
    assert len(str(refused.value)) < 500


def test_as_many_variations_as_a_run_may_draw() -> None:
    with pytest.raises(TooManyPictures, match="1,000,000,001 pictures are more than"):
        SelectionOptions(around=1, n=1_000_000_001).selection(LatentSpace(4))


def test_classes_and_replicas() -> None:
    with pytest.raises(UsageError, match="5,000 digits"):
        parse_classes(LONG, ("ant", "bee"))
    for text in (LONG, f"1-{LONG}"):
        with pytest.raises(UsageError):
            parse_replicas(text)


def test_the_fast_parser_leaves_them_to_typer() -> None:
    assert parse_fast(["--n", LONG, "out.png"]) is None


@pytest.mark.parametrize("option", ["--n", "--seed", "--seeds", "--walk", "--around", "--mix", "--class", "--batch", "--grid"])
def test_the_command(option: str, gansample: Command) -> None:
    done = gansample(option, LONG, "--bundle", "fashion", "out.png")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert len(done.stderr) < 1_000
