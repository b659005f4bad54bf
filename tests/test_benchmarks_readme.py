"""The README's benchmark table is the benchmark's own file, rendered: no figure in it is typed by hand."""

import json
from pathlib import Path

import pytest

from benchmarks.readme import BEGIN, END, RESULTS, TRAINING_BEGIN, TRAINING_END, replaced, table, training_table

RESULT, TRAINING = RESULTS / "dcgan64-cpu.json", RESULTS / "training-cpu.json"
README = Path(__file__).parents[1] / "README.md"


def test_table_shows_every_figure_of_the_file() -> None:
    document = json.loads(RESULT.read_text())
    text = table(document)
    assert {row["name"] for row in document["rows"]} >= {"pytorch-eager-fp32", "onnx-fp32", "openvino-int8"}
    for row in document["rows"]:
        assert f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× |" in text


def test_only_the_part_between_the_markers_changes() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", "new") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(ValueError, match="has no"):
        replaced("no markers", "new")


def test_readme_tables_are_the_files() -> None:
    text = README.read_text()
    assert replaced(text, table(json.loads(RESULT.read_text()))) == text
    training = training_table(json.loads(TRAINING.read_text()))
    assert replaced(text, training, TRAINING_BEGIN, TRAINING_END) == text


def test_int8_page_is_its_file() -> None:
    from benchmarks.int8 import PAGE, page
    from benchmarks.int8 import RESULT as INT8

    assert PAGE.read_text() == page(json.loads(INT8.read_text()))
