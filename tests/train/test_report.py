"""The report tells the whole run from its folder alone, and its controls work in a real browser, on a phone, in the dark."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gansample.errors import ArtefactError
from gansample.outputs.grid import GAP
from tests.support.repository import ROOT
from tests.support.tiny_training import tiny_data, tiny_evaluator, tiny_run
from train.show.chart import chart_svg
from train.show.nearest import nearest_png
from train.show.report import PREVIEWS, previews, read_log, repeat_command, report_html


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run with everything that a run may leave behind."""
    run = tiny_run(tmp_path_factory.mktemp("report") / "0007-tiny")
    held_out = tiny_data().held_out_images
    (run / "nearest.png").write_bytes(nearest_png(tiny_evaluator(), tiny_data(), held_out))
    (run / "skipped.json").write_text(json.dumps([["cat/<b>.png", "no PNG, JPEG, WebP, BMP, GIF or TIFF"]]))
    warning = {"event": "warning", "kind": "collapse", "message": "the pictures differ 20% as much as real ones do"}
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps({**warning, "step": 20, "images_seen": 640}) + "\n" + '{"event": "los')
    return run


def test_it_tells_the_whole_run(run: Path) -> None:
    page = report_html(run)
    info = json.loads((run / "checkpoint.json").read_text())
    scores, real = info["metrics"]["scores"], info["metrics"]["real"]
    cells = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    assert ("Fréchet distance", f"{scores['frechet']:.2f}", f"{real['frechet']:.2f}") in cells
    assert {"recall", "density", "coverage", "nearest-neighbour ratio", "kernel, random features"} <= {
        cell[0] for cell in cells
    }
    assert "Finished after 640 pictures" in page
    assert "collapse at 640 pictures: the pictures differ 20% as much as real ones do" in page
    assert "cat/&lt;b&gt;.png" in page
    for sha256 in (info["data"]["fingerprint"], info["metrics"]["classifier"]["sha256"]):
        assert sha256 in page
    assert page.count('class="chart"') == 7
    assert page.count('<i class="real"') == 10
    assert torch.__version__ in page
    assert "--resume" not in page, "a finished run has nothing to resume"


def test_it_needs_nothing_from_elsewhere(run: Path) -> None:
    page = report_html(run)
    assert not re.findall(r'(?:src|href)="(?!data:)|url\(|@import|http', page)


def test_what_a_run_has_not_written_is_left_out(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "0008-early"
    shutil.copytree(run, copy)
    for name in ("nearest.png", "skipped.json", "samples.png", "log.jsonl"):
        (copy / name).unlink()
    document = json.loads((copy / "checkpoint.json").read_text())
    document |= {"finished": False, "trained": {"step": 10, "images_seen": 320, "of": 640}}
    (copy / "checkpoint.json").write_text(json.dumps(document))
    page = report_html(copy)
    assert "Not finished: 320 of 640 pictures" in page
    assert f"python -m train --resume {copy}" in page
    for word in ("Nearest training pictures", "Pictures left out", "Warnings", "Curves", "Seeds 0 to 63"):
        assert word not in page
    with pytest.raises(ArtefactError, match=r"cannot read .*checkpoint\.json .*: pass a run folder"):
        report_html(tmp_path)


def test_the_command_repeats_what_the_machine_and_the_clock_decided() -> None:
    typed = "python -m train --data 'my photos' --max-minutes 5 --out=x --images 9 --set lr_g=1e-4 --quiet --resume runs/1"
    config = {"precision": "bf16", "threads": 2, "lr_g": 1e-4}
    assert repeat_command(typed, 1234, config) == (
        "python -m train --data 'my photos' --set lr_g=1e-4 --set images=1234 --set precision=bf16 --set threads=2"
    )


def test_a_long_run_shows_at_most_sixty_previews(tmp_path: Path) -> None:
    (tmp_path / "previews").mkdir()
    for seen in range(200):
        (tmp_path / f"previews/{seen:09d}.png").write_bytes(b"png")
    stems = [int(path.stem) for path in previews(tmp_path)]
    assert len(stems) == PREVIEWS
    assert (stems[0], stems[-1]) == (0, 199)
    assert stems == sorted(set(stems))
    (tmp_path / "previews/000000050.png").write_bytes(bytes(6 << 20))
    assert len(previews(tmp_path)) == 2, "pictures this large would not open any more"


def test_half_a_line_is_no_row(run: Path) -> None:
    assert read_log(run)[-1]["event"] == "warning"


def test_nearest_shows_samples_above_what_they_copy() -> None:
    """Copies among the samples come first, and below each stands its original."""
    data = tiny_data()
    copies = torch.cat([data.held_out_images[:30], data.images[40:48]])
    with Image.open(io.BytesIO(nearest_png(tiny_evaluator(), data, copies))) as sheet:
        pixels = np.array(sheet)
    side = 8 + GAP
    assert pixels.shape == (6 * side + GAP, 8 * side + GAP)
    first = pixels[GAP : GAP + 8], pixels[GAP + side : GAP + side + 8]
    assert (first[0] == first[1]).all()
    assert not (pixels[GAP + 4 * side :][:8] == pixels[GAP + 5 * side :][:8]).all()


def test_a_chart_puts_points_where_its_axes_say() -> None:
    svg = chart_svg(
        "distance <1>", {"generated": [(0, 100.0), (50, 10.0), (100, 1.0), (100, -1.0)]}, {"real": 10.0}, logarithmic=True
    )
    assert svg.startswith("<figure><figcaption><b>distance &lt;1&gt;</b>")
    points = [tuple(map(float, point.split(","))) for point in re.findall(r'points="(.*?)"', svg)[0].split()]
    assert len(points) == 3, "what is not positive has no place on a logarithmic axis"
    assert points[1] == pytest.approx(tuple(np.mean([points[0], points[2]], axis=0)))
    assert f'y1="{points[1][1]}"' in svg, "the level of 10 runs through the point of 10"
    long = chart_svg("V", {"V": [(index, -1.0) for index in range(10_000)]})
    assert len(re.findall(r'points="(.*?)"', long)[0].split()) <= 300
    assert chart_svg("flat", {"zero": [(0, 0.0)]})


COLLISIONS = """() => [...document.querySelectorAll("svg.chart")].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  const words = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  return words.flatMap(([word, box], index) => [
    ...(box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom ? [`${word} sticks out`] : []),
    ...words.slice(index + 1).filter(([_, other]) => !apart(box, other)).map(([other]) => `${word} on ${other}`),
  ]);
})"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1200])
def test_the_words_of_a_chart_neither_collide_nor_stick_out(browser: Any, width: int) -> None:
    ranges = [(1e-4, 1e-3), (-1.5e-4, 1e-4), (-123_456, 987_654), (1e9, 5e12), (0.99991, 0.99999), (100.01, 100.05), (-2, -1)]
    powers = [(1, 1000), (1e-6, 1e6), (1e-9, 1e-3), (1e-30, 1e30)]
    charts = [
        chart_svg(str(end), {"a": [(1, low), (end, high)]}, logarithmic=each in powers)
        for each in ranges + powers
        for (low, high), end in [(each, 80_000), (each, 123_456_789)]
    ]
    for chart in charts:
        ticks = re.findall(r'<text x="62" .*?>(.*?)</text>', chart)
        assert 2 <= len(ticks) == len(set(ticks)) <= 7, ticks
    template = (ROOT / "train" / "show" / "report.html.jinja").read_text()
    style = re.search("<style>.*?</style>", template, re.DOTALL)
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(f"<!doctype html>{style[0] if style else ''}<div class=charts>{''.join(charts)}</div>")
    assert page.evaluate(COLLISIONS) == []
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_it_works_in_a_browser(run: Path, tmp_path: Path, browser: Any, width: int, dark: bool) -> None:
    (tmp_path / "report.html").write_text(report_html(run))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light")
    page, troubles = context.new_page(), []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or troubles.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(COLLISIONS) == []
    assert page.evaluate("document.querySelector('#scores').getBoundingClientRect().right") <= width, "with the real ones"
    luminance = "getComputedStyle(document.querySelector('.chart text')).fill.match(/\\d+/g).reduce((a, b) => a + +b, 0)"
    assert (page.evaluate(luminance) > 384) is dark
    assert "640 pictures seen: Fréchet" in page.inner_text("#words")
    last = page.get_attribute("#frame", "src")
    page.focus("#when")
    page.keyboard.press("Home")
    assert "0 pictures seen" in page.inner_text("#words")
    assert page.get_attribute("#frame", "src") != last
    page.keyboard.press("ArrowRight")
    assert "320 pictures seen" in page.inner_text("#words")
    page.click("#play")
    assert page.inner_text("#play") == "Pause"
    page.wait_for_function("document.querySelector('#play').textContent === 'Play'", timeout=10_000)
    assert page.get_attribute("#frame", "src") == last
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    context.close()
    assert troubles == []
