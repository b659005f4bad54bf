"""The README's benchmark table is the benchmark's own file, rendered: no figure in it is typed by hand."""

import json
from pathlib import Path

import pytest

from benchmarks.readme import BEGIN, END, RESULT, replaced, table

README = Path(__file__).parents[1] / "README.md"


def test_table_shows_every_figure_of_the_file() -> None:
    document = json.loads(RESULT.read_text())
    text = table(document)
    assert {row["name"] for row in document["rows"]} >= {"pytorch-eager-fp32", "onnx-fp32", "openvino-int8"}
    for row in document["rows"]:
        assert f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× |" in text


def test_only_the_part_between_the_markers_changes() -> None:
    document = json.loads(RESULT.read_text())
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", document) == f"a\n{BEGIN}\n{table(document)}\n{END}\nb\n"
    with pytest.raises(ValueError, match="has no"):
        replaced("no markers", document)


def test_readme_table_is_the_file() -> None:
    text = README.read_text() if README.exists() else ""
    if BEGIN not in text:
        pytest.skip("the README has no benchmark table yet")
    assert replaced(text, json.loads(RESULT.read_text())) == text


def test_int8_page_is_its_file() -> None:
    from benchmarks.int8 import PAGE, page
    from benchmarks.int8 import RESULT as INT8

    assert PAGE.read_text() == page(json.loads(INT8.read_text()))
