"""The page in a real Chromium: it draws at once, follows its controls, fits a phone, and sends requests to its server only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.limits import Limits, Rate
from gansample.outputs.metadata import read_metadata
from tests.support.run_demo import Demo, serve_demo

THUMBNAIL = "#gallery .grid-container img"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def demo(tiny_bundle: Path, tiny_classes_bundle: Path) -> Iterator[Demo]:
    with serve_demo([tiny_bundle, tiny_classes_bundle]) as demo:
        yield demo


@pytest.fixture
def visit(browser: Any, demo: Demo) -> Iterator[Any]:
    """visit(width=…, dark=…) opens the page; afterwards, there may be no error and no request to another host."""
    contexts, foreign_requests, errors = [], [], []

    def open_page(width: int = 1280, height: int = 900, dark: bool = False) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request",
            lambda request: request.url.startswith((demo.url, "data:", "blob:")) or foreign_requests.append(request.url),
        )
        page.on("response", lambda answer: answer.status < 400 or errors.append(f"{answer.status} {answer.url}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(demo.url)
        page.wait_for_selector(THUMBNAIL)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert (foreign_requests, errors) == ([], [])


def captions(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("#gallery .caption-label").all_inner_texts()]


def test_it_draws_at_once_and_follows_seed_dice_and_bundle(visit: Any) -> None:
    page = visit()
    assert captions(page) == [f"seed {seed}" for seed in range(24)]
    assert page.inner_text("#facts").startswith("8 × 8 px, colour, 6-number latent · ")
    assert page.inner_text("#report").startswith("24 · ")

    page.fill("#seed input", "4294967200")
    page.press("#seed input", "Enter")
    page.wait_for_function("document.querySelector('#gallery .caption-label').innerText.includes('4294967200')")

    page.click("#dice")
    page.wait_for_function("!document.querySelector('#gallery .caption-label').innerText.includes('4294967200')")
    assert captions(page)[0] == f"seed {page.input_value('#seed input')}"

    assert not page.get_by_label("Class").is_visible()
    page.get_by_label("Generator").click()
    page.get_by_role("option", name="pets").click()
    page.wait_for_function("/ant|bee|cat/.test(document.querySelector('#gallery .caption-label').innerText)")
    page.get_by_label("Class").click()
    page.get_by_role("option", name="bee").click()
    page.wait_for_function("[...document.querySelectorAll('#gallery .caption-label')].every(e => e.innerText.includes('bee'))")


def test_what_the_browser_downloads_still_knows_its_seed(visit: Any) -> None:
    page = visit()
    picture = page.locator(THUMBNAIL).nth(5)
    assert picture.get_attribute("alt") == "seed 5"
    assert read_metadata(page.request.get(picture.get_attribute("src")).body())["seeds"] == "5"
    picture.click()
    with page.expect_download() as download:
        page.get_by_label("Download", exact=True).click()
    assert download.value.suggested_filename == "seed0000005.png"
    assert read_metadata(download.value.path())["seeds"] == "5"


def test_a_mistake_is_explained_on_the_page(visit: Any) -> None:
    page = visit()
    for typed, words in [
        ("4294967295", "choose a lower seed, or fewer pictures"),
        ("7.5", "the seed is 7.5: type a whole number from 0 to 4294967295"),
        ("-1", "the seed is -1: type a whole number"),
        ("", "there is no seed: type a whole number"),
    ]:
        page.fill("#seed input", typed)
        page.press("#seed input", "Enter")
        page.get_by_text(words).wait_for()


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone_and_enlarges_with_hard_pixels(visit: Any, dark: bool) -> None:
    page = visit(390, 844, dark)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    luminance = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
    )
    assert (luminance < 120) is dark
    assert page.eval_on_selector(THUMBNAIL, "image => getComputedStyle(image).imageRendering") == "pixelated"
    page.wait_for_function(f"document.querySelector('{THUMBNAIL}').naturalWidth > 0")
    assert page.eval_on_selector(THUMBNAIL, "image => image.naturalWidth") == 8
    widths = {round(box.bounding_box()["width"]) for box in page.locator(THUMBNAIL).all()}
    assert widths == {78}  # four columns


def wait_for_captions(page: Any, gallery: str, text: str) -> None:
    page.wait_for_function(
        "([name, text]) => [...document.querySelectorAll(name + ' .caption-label')].some(e => e.innerText.includes(text))",
        arg=[gallery, text],
    )


def test_the_address_says_what_is_seen_and_brings_it_back(visit: Any, demo: Demo) -> None:
    page = visit()
    page.fill("#seed input", "40")
    page.press("#seed input", "Enter")
    page.wait_for_function("location.search.includes('seed=40')")
    page.goto(f"{demo.url}/?bundle=pets&seed=77&n=3&class=bee&truncation=0.5")
    wait_for_captions(page, "#gallery", "seed 77 · bee")
    assert captions(page) == ["seed 77 · bee", "seed 78 · bee", "seed 79 · bee"]
    page.goto(f"{demo.url}/?bundle=nobody&seed=x&n=9999999999&class=%3Cscript%3E")
    page.get_by_text(
        "bundle=nobody (shown: tiny); n=9999999999 (shown: 64); class=<script> (shown: each seed's own); seed=x"
    ).wait_for()
    wait_for_captions(page, "#gallery", "seed 63")
    assert len(captions(page)) == 64


def test_a_picture_that_was_clicked_is_explored(visit: Any) -> None:
    page = visit()
    page.locator(THUMBNAIL).nth(5).click()
    page.get_by_role("tab", name="Explore").click()
    page.wait_for_function("document.querySelector('#centre input').value === '5'")
    page.click("#vary")
    wait_for_captions(page, "#neighbours", "5 ± 0.3 · 10")
    page.fill("#to input", "9")
    page.press("#to input", "Enter")
    wait_for_captions(page, "#between", "→ 9 · 100%")
    with page.expect_download() as download:
        page.get_by_label("gif").click()
        page.click("#film")
        page.locator("#film-file a[download]").first.click()
    assert read_metadata(download.value.path())["walk"].endswith(",9")
    page.locator("#film-player img").wait_for()
    assert page.eval_on_selector("#film-player img", "image => image.naturalWidth") == 256
    page.fill("#sum textarea, #sum input", "3+9-4")
    page.click("#add")
    wait_for_captions(page, "#total", "3+9-4")


def test_the_contact_sheet_leads_back_to_a_seed(visit: Any) -> None:
    page = visit()
    page.get_by_role("tab", name="Contact sheet").click()
    wait_for_captions(page, "#contact", "seed 99")
    page.locator("#contact .grid-container img").nth(42).click()
    wait_for_captions(page, "#gallery", "seed 42")
    assert page.input_value("#seed input") == "42"


def test_fidelity_is_judged_here_and_the_card_is_read(visit: Any) -> None:
    page = visit()
    page.get_by_role("tab", name="Fidelity").click()
    page.click("#check")
    page.get_by_text("PASS").nth(1).wait_for()
    wait_for_captions(page, "#differences", "difference × 32")
    page.get_by_role("tab", name="About").click()
    page.get_by_text("tiny", exact=True).first.wait_for()


@pytest.mark.parametrize("width", [390, 1280])
def test_every_tab_is_within_reach_and_none_moves_the_others(visit: Any, width: int) -> None:
    page = visit(width)
    tabs = ("Generate", "Explore", "Contact sheet", "Fidelity", "About")
    tops = set()
    for name in tabs:
        page.get_by_role("tab", name=name).click()
        page.get_by_role("tabpanel").filter(visible=True).wait_for()
        tops.add(page.get_by_role("tab", name=name).bounding_box()["y"])
    assert len(tops) == 1, tops
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_whoever_is_asked_for_a_password_is_told_by_whom_and_for_which_name(browser: Any, tiny_bundle: Path) -> None:
    with serve_demo([tiny_bundle], password="one-time") as demo:
        page = browser.new_page()
        page.goto(demo.url)
        page.get_by_text("The user name is guest").wait_for()
        assert page.title() == "gansample"
        page.get_by_label("username").fill("guest")
        page.get_by_label("password").fill("one-time")
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector(THUMBNAIL)
        page.close()


def test_it_speaks_chinese(browser: Any, demo: Demo) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(demo.url)
    page.wait_for_selector(THUMBNAIL)
    for words in ("一个种子，一张图。", "绘制", "保真度", "截断", "精确", "此视图的链接"):
        assert page.get_by_text(words, exact=False).first.is_visible(), words
    assert page.inner_text("#facts").startswith("8 × 8 px, 彩色，6 维隐变量 · ")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    context.close()


def test_it_works_with_the_keyboard_alone(visit: Any) -> None:
    page = visit()

    def focus_on(wanted: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("wanted => document.activeElement.closest(wanted) !== null", wanted):
                return
        pytest.fail(f"Tab never reaches {wanted}")

    focus_on("#seed")
    page.keyboard.press("Control+a")
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    wait_for_captions(page, "#gallery", "seed 32")
    focus_on("#dice")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#seed input').value !== '9'")
    focus_on("#draw")
    focus_on("#gallery .thumbnail-item")
    page.keyboard.press("Enter")
    page.wait_for_selector("#gallery .preview")
    page.keyboard.press("Escape")
    page.wait_for_selector("#gallery .preview", state="detached")
    page.focus("[role=tab][aria-selected=true]")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Explore":
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for_captions(page, "#neighbours", "± 0.3 · 10")


def test_every_picture_has_alternative_text(visit: Any) -> None:
    page = visit()
    alt = page.eval_on_selector_all(THUMBNAIL, "images => images.map(image => image.alt)")
    assert alt == captions(page)
    assert page.locator("h1").inner_text() == "One seed, one picture."


def test_another_generator_is_followed_by_every_tab(visit: Any) -> None:
    page = visit()
    page.get_by_role("tab", name="Explore").click()
    wait_for_captions(page, "#total", "3+9-4")
    page.get_by_label("Generator").click()
    page.get_by_role("option", name="pets").click()
    wait_for_captions(page, "#neighbours", "± 0.3 · 10 · ant")
    wait_for_captions(page, "#between", "· ant")
    page.get_by_role("tab", name="Contact sheet").click()
    wait_for_captions(page, "#contact", "seed 99 · ant")
    page.get_by_role("tab", name="About").click()
    page.locator("#card h1", has_text="pets").wait_for()


def test_the_link_brings_the_view_back_and_can_be_copied(visit: Any, demo: Demo) -> None:
    page = visit()
    page.goto(f"{demo.url}/?bundle=pets&seed=5&n=2&class=cat&truncation=1&precision=fast")
    wait_for_captions(page, "#gallery", "seed 5 · cat")
    link = f"{demo.url}/?bundle=pets&seed=5&n=2&class=cat&truncation=1&precision=fast"
    page.wait_for_function("link => document.querySelector('#link :is(input, textarea)').value === link", arg=link)
    assert page.get_by_label("fast").is_checked()


def test_a_visitor_who_is_too_fast_is_told_to_wait(browser: Any, tiny_bundle: Path) -> None:
    with serve_demo([tiny_bundle], limits=Limits(draws=Rate(burst=2, per_second=0.01))) as demo:  # the page and its card
        page = browser.new_page()
        page.goto(demo.url)
        page.wait_for_selector(THUMBNAIL)
        page.locator("#link :is(input, textarea)").wait_for()
        page.click("#draw")
        page.get_by_text("that was too fast").first.wait_for()
        page.close()


def test_a_full_queue_is_reported(browser: Any, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.app.WAITING", 0)
    with serve_demo([tiny_bundle]) as demo:
        page = browser.new_page()
        page.goto(demo.url)
        page.get_by_text("This application is currently busy. Please try again.").first.wait_for()
        page.close()


def test_the_first_picture_comes_within_three_seconds(browser: Any, demo: Demo) -> None:
    """The best of three: what is measured is the page, not what else the machine does meanwhile."""
    waits = []
    for _ in range(3):
        context = browser.new_context()
        page = context.new_page()
        page.goto(demo.url)
        page.wait_for_selector(THUMBNAIL)
        waits.append(page.evaluate("performance.now() / 1000"))
        context.close()
    assert min(waits) < 3, waits


def test_axe_finds_nothing_serious(browser: Any, demo: Demo, tmp_path: Path) -> None:
    from demo.web_demo import install_node_modules
    from gansample.errors import BackendUnavailable

    try:
        axe = (install_node_modules(tmp_path) / "axe-core" / "axe.min.js").read_text()
    except BackendUnavailable as reason:
        pytest.skip(f"NOT RUN: {reason}")
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(demo.url)
        page.wait_for_selector(THUMBNAIL)
        for name in ("Generate", "Explore", "Contact sheet", "Fidelity", "About"):
            page.get_by_role("tab", name=name).click()
            page.evaluate(axe)
            for _ in range(40):  # what is being drawn is faded, and Gradio shows so until it is there
                page.wait_for_timeout(500)
                found = page.evaluate("axe.run()")["violations"]
                serious = [
                    (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")
                ]
                if not serious:
                    break
            assert serious == [], (scheme, name)
        context.close()
