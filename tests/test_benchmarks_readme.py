"""The README's benchmark table is the benchmark's own file, rendered: no figure in it is typed by hand."""

import json
from pathlib import Path

import pytest

from benchmarks.readme import RESULTS, TABLES, rendered, replaced, table

README = Path(__file__).parents[1] / "README.md"
RESULT = RESULTS / "dcgan64-cpu.json"


def test_table_shows_every_figure_of_the_file() -> None:
    document = json.loads(RESULT.read_text())
    text = table(document)
    assert {row["name"] for row in document["rows"]} >= {"pytorch-eager-fp32", "onnx-fp32", "openvino-int8"}
    for row in document["rows"]:
        assert f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× |" in text


def test_only_the_part_between_the_markers_changes() -> None:
    page = "a\n<!-- x:begin -->\n{}\n<!-- x:end -->\nb\n"
    assert replaced(page.format("old"), "x", "new") == page.format("new")
    with pytest.raises(ValueError, match="has no"):
        replaced("no markers", "x", "new")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_place(name: str) -> None:
    assert f"<!-- {name}:begin -->" in README.read_text()


def test_readme_tables_are_the_files() -> None:
    assert rendered(README.read_text()) == README.read_text()


def test_scale_page_is_its_file() -> None:
    from benchmarks.scale import PAGE, rendered

    page = (README.parent / PAGE).read_text()
    assert rendered(page) == page


def test_int8_page_is_its_file() -> None:
    from benchmarks.int8 import PAGE, page
    from benchmarks.int8 import RESULT as INT8

    assert PAGE.read_text() == page(json.loads(INT8.read_text()))


def test_ablation_page_is_its_files() -> None:
    from benchmarks.ablation import PAGE
    from benchmarks.ablation import rendered as ablation

    page = (Path(__file__).parents[1] / PAGE).read_text()
    assert ablation(page) == page
    assert page.count("within noise") > 10, "the table says what three seeds cannot tell"


def test_the_service_page_is_its_file() -> None:
    from benchmarks.readme import rendered_service

    page = (Path(__file__).parents[1] / "docs" / "serve.md").read_text()
    assert rendered_service(page) == page
