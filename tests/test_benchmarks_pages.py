"""The tables of the README and docs/ are the benchmarks' own files, rendered: no figure in them is typed by hand."""

import re
from dataclasses import fields

import pytest

from benchmarks import documents, engines, figures
from benchmarks.documents import replaced
from benchmarks.pages import rendered, tables
from tests.support.repository import ROOT


def test_table_shows_every_figure_of_the_file() -> None:
    document = documents.load(engines.RESULT)
    text = engines.table(document)
    assert {row["name"] for row in document["rows"]} >= {"pytorch-eager-fp32", "onnx-fp32", "openvino-int8"}
    for row in document["rows"]:
        assert f"| {row['name']} | {row['images_per_second']:,.0f} | {row['ratio']:.2f}× |" in text


def test_variants_stand_beside_the_best_peer_and_unsteady_figures_are_marked() -> None:
    rates = {
        "pytorch-eager-fp32": 100.0,
        "aot-inductor-fp32": 200.0,
        "aot-inductor-bf16": 400.0,
        "onnx-fp32": 250.0,
        "openvino-int8": 800.0,
    }
    rows = [{"name": name, "images_per_second": rate, "ratio": rate / 100, "spread": 0.1} for name, rate in rates.items()]
    rows[-1]["spread"] = 0.2
    document = {**documents.load(engines.RESULT), "rows": rows, "not_run": {}}
    lines = engines.table({**document, "random": {"rows": rows[:1], "not_run": {"onnx-fp32": "why"}}}).splitlines()
    assert "| onnx-fp32 | 250 | 2.50× | ± 5% | 1.25× |  |" in lines
    assert "| openvino-int8 | 800 | 8.00× | **± 10%** | 2.00× |  |" in lines
    assert lines[-1] == "| onnx-fp32 | NOT RUN | | | | why |"


def test_only_the_part_between_the_markers_changes() -> None:
    page = "a\n<!-- x:begin -->\n{}\n<!-- x:end -->\nb\n"
    assert replaced(page.format("old"), "x", "new") == page.format("new")
    with pytest.raises(ValueError, match="has no"):
        replaced("no markers", "x", "new")


@pytest.mark.parametrize("page", tables())
def test_every_page_is_its_files(page: str) -> None:
    assert rendered(page) == (ROOT / page).read_text()


def test_the_readmes_show_the_same_six_figures() -> None:
    english, chinese = (figures.table(language).splitlines() for language in (figures.ENGLISH, figures.CHINESE))
    assert len(english) == len(chinese) == 2 + 6 + 2
    for row, other in zip(english[2:8], chinese[2:8], strict=True):
        measured, counterpart = (re.findall(r"\d[\d.,]*", text.split("|")[2]) for text in (row, other))
        assert sorted(measured) == sorted(counterpart)
    assert all(getattr(figures.CHINESE, field.name) for field in fields(figures.Language))


def test_int8_page_is_its_file() -> None:
    from benchmarks.int8 import PAGE, RESULT, page

    assert PAGE.read_text() == page(documents.load(RESULT))


def test_the_ablation_says_what_three_seeds_cannot_tell() -> None:
    assert rendered("docs/ablation.md").count("within noise") > 10
