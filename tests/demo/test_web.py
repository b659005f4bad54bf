"""The static page draws in the browser what gansample draws, says whether it does, and loads nothing from elsewhere."""

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from demo.web_demo import SOURCES, install_node_modules, web_demo, write_web_demo
from gansample import open_sampler
from gansample.bundle import seal
from gansample.bundle.open import REFERENCE, open_bundle
from gansample.errors import BackendUnavailable, OutputError
from gansample.latents import latents, slerp
from gansample.outputs.metadata import read_metadata
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner
from tests.support.make_style_bundle import make_style_bundle
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.repository import ROOT
from tests.support.web_page import change_about, serve_folder, shown

FASHION = ROOT / "serve" / "gansample" / "bundles" / "fashion"


def not_run(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must test the static page: {reason}")
    pytest.skip(f"NOT RUN: {reason}")


@pytest.fixture(scope="module")
def style_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_style_bundle(tmp_path_factory.mktemp("bundles") / "styles", classes=("ant", "bee", "cat"))


@pytest.fixture(scope="module")
def site(tiny_classes_bundle: Path, style_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static") / "web-demo"
    try:
        write_web_demo(folder, [tiny_classes_bundle, FASHION, style_bundle])
    except BackendUnavailable as reason:
        not_run(str(reason))
    return folder


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with serve_folder(site) as address:
        yield address


@pytest.fixture
def visit(browser: Any, url: str) -> Iterator[Any]:
    """visit("?seed=7", width=…, locale=…) opens the page; afterwards there may be no error and no request to another host."""
    contexts, foreign_requests, errors = [], [], []

    def open_page(query: str = "", width: int = 1280, locale: str = "en-GB", expect: str = "Verified on") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda asked: asked.url.startswith((url, "blob:")) or foreign_requests.append(asked.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: line.type == "error" and errors.append(line.text))  # CSP violations land here
        page.goto(f"{url}/{query}")
        page.get_by_text(expect).wait_for(timeout=30_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert (foreign_requests, errors) == ([], [])


NODE = """
import {{ latent, interpolate }} from {path!r};
const cases = {cases};
const z = cases.map(([seed, size, kind, t]) => [...latent(seed, size, kind, t)]);
const way = [...interpolate(latent(1, 64), latent(7, 64), 0.3)];
console.log(JSON.stringify({{ z, way }}));
"""


def test_latents_are_numpys_bit_for_bit(tmp_path: Path) -> None:
    if (node := shutil.which("node")) is None:
        not_run("node is not installed")
    seeds = [0, 1, 2, 42, 65537, 2**31, 2**32 - 1, *range(1000, 1400)]
    cases = [[seed, 100, "normal", 0] for seed in seeds]
    cases += [[seed, 33, "normal", t] for seed in seeds[:40] for t in (0.05, 0.7, 2)]
    cases += [[seed, 20, "uniform", 0] for seed in seeds[:40]]
    shutil.copyfile(SOURCES / "latents.js", tmp_path / "latents.mjs")
    script = tmp_path / "script.mjs"
    script.write_text(NODE.format(path="./latents.mjs", cases=json.dumps(cases)))
    done = subprocess.run([str(node), str(script)], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    for (seed, size, kind, truncation), z in zip(cases, answer["z"], strict=True):
        expected = latents([seed], size, kind, truncation or None)[0]  # type: ignore[arg-type, call-overload]
        assert np.array_equal(np.array(z, np.float32), expected), (seed, size, kind, truncation)
    a, b = latents([1, 7], 64)
    assert np.allclose(answer["way"], slerp(a, b, 0.3), atol=1e-6)


def test_the_folder_is_complete_and_the_same_every_time(
    site: Path, tiny_classes_bundle: Path, style_bundle: Path, tmp_path: Path
) -> None:
    write_web_demo(tmp_path / "again", [tiny_classes_bundle, FASHION, style_bundle])
    first, second = ({path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
                     for root in (site, tmp_path / "again"))  # fmt: skip
    assert first == second
    assert Path("bundles/fashion/generator.onnx") in first
    with pytest.raises(OutputError, match="--force"):
        write_web_demo(site, [FASHION])


def test_the_pages_model_is_known_by_the_bundles_and_draws_the_same_bytes(site: Path) -> None:
    bundle, page = open_bundle(FASHION), site / "bundles" / "fashion"
    model, about = (page / REFERENCE).read_bytes(), json.loads((page / "about.json").read_bytes())
    assert (about["sha256"], about["file_sha256"]) == (bundle.sha256, seal.digest(model))
    assert bundle.sha256 != about["file_sha256"]
    assert seal.seal_holds(model)
    assert "Round" not in {node.op_type for node in onnx.load_from_string(model).graph.node}
    z, label = bundle.spec.latents(range(64)), np.arange(64) % 10
    with OnnxRuntimeRunner(model, bundle.spec) as drawn, OnnxRuntimeRunner(bundle.read(REFERENCE), bundle.spec) as own:
        assert np.array_equal(drawn.run(z, label), own.run(z, label))


def test_a_model_without_a_seal_gets_none() -> None:
    assert seal.resealed(b"model") == b"model"


def test_it_takes_the_newest_bundle_and_says_how_to_look_at_it(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tiny_bundle(tmp_path / "artifacts" / "mine")
    monkeypatch.chdir(tmp_path)
    web_demo(Path("out"), bundle=None)
    printed = capsys.readouterr().out
    assert "draws from mine" in printed
    assert "python -m http.server 8080 --bind 127.0.0.1 -d out  and open http://127.0.0.1:8080" in printed
    assert json.loads((tmp_path / "out" / "bundles.json").read_text()) == ["mine"]


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())


@pytest.mark.browser
@pytest.mark.parametrize("name", ["pets", "fashion"])
def test_pictures_are_those_of_the_library(name: str, visit: Any, tiny_classes_bundle: Path) -> None:
    page = visit(f"?bundle={name}&seed=40&n=5&truncation=1.5")
    with open_sampler(tiny_classes_bundle if name == "pets" else FASHION) as sampler:
        expected = sampler.sample(range(40, 45), truncation=1.5)
    for index, image in enumerate(expected):
        drawn = shown(page, index)[..., : image.shape[-1]]
        assert np.abs(drawn.astype(int) - image).max() <= 1


@pytest.mark.browser
@pytest.mark.parametrize("psi", ["", "1", "0.7", "0", "-0.5"])
def test_psi_draws_as_the_library(psi: str, visit: Any, style_bundle: Path) -> None:
    page = visit(f"?bundle=styles&seed=40&n=19{'&psi=' if psi else ''}{psi}")
    with open_sampler(style_bundle) as sampler:
        expected = sampler.sample(range(40, 59), psi=float(psi or 1))
    for index, image in enumerate(expected):
        assert np.abs(shown(page, index)[..., :3].astype(int) - image).max() <= 1
    assert page.locator("#psi-row").is_visible()
    assert page.locator("#problem").inner_text() == ""
    with page.expect_download() as download:
        page.locator(".print").first.click()
    assert read_metadata(download.value.path().read_bytes()).get("psi", 1) == float(psi or 1)


@pytest.mark.browser
def test_the_way_between_styles_is_straight(visit: Any, style_bundle: Path) -> None:
    page = visit("?bundle=styles&seed=3&n=2&psi=0.5")
    for index in range(2):
        page.locator(".print").nth(index).click(modifiers=["Shift"])
    page.locator("#between canvas").wait_for()
    data = page.eval_on_selector("#between canvas", "canvas => canvas.toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as image:
        drawn = np.asarray(image)[..., :3]
    with open_sampler(style_bundle) as sampler:  # of the first one's class
        w = sampler.styles(latents([3, 4], sampler.spec.latent_size), np.array([0, 0]), 0.5)
        wanted = sampler.draw_styles(w.mean(0, keepdims=True))[0]
    assert np.abs(drawn.astype(int) - wanted).max() <= 1


@pytest.mark.browser
def test_psi_of_a_generator_without_a_mapping_is_said(visit: Any) -> None:
    page = visit("?bundle=pets&seed=3&n=2&psi=0.7")
    assert not page.locator("#psi-row").is_visible()
    assert "psi=0.7" in page.locator("#problem").inner_text()


@pytest.mark.browser
def test_a_damaged_mapping_draws_nothing(site: Path, visit: Any) -> None:
    file = site / "bundles" / "styles" / "mapping.onnx"
    sound = file.read_bytes()
    file.write_bytes(sound[:-1] + b"?")
    try:
        page = visit("?bundle=styles", expect="damaged")
        assert page.locator(".print").count() == 0
    finally:
        file.write_bytes(sound)


@pytest.mark.browser
def test_large_pictures_are_drawn_a_few_at_a_time(site: Path, visit: Any, tiny_classes_bundle: Path) -> None:
    script = site / "worker.js"
    whole = script.read_text(encoding="utf-8")
    script.write_text(changed := whole.replace("2 ** 22", "400"), encoding="utf-8")  # two pictures of 8 × 8 × 3
    assert changed != whole
    try:
        page = visit("?bundle=pets&seed=40&n=5")
    finally:
        script.write_text(whole, encoding="utf-8")
    with open_sampler(tiny_classes_bundle) as sampler:
        for index, image in enumerate(sampler.sample(range(40, 45))):
            assert np.abs(shown(page, index)[..., :3].astype(int) - image).max() <= 1


@pytest.mark.browser
def test_why_webgpu_does_not_draw_is_said_in_both_languages(visit: Any) -> None:
    page = visit("?bundle=pets&n=2")
    page.get_by_text("WebAssembly draws, not WebGPU: the browser offers no GPU.").wait_for()
    page.click("#language")
    page.get_by_text("由 WebAssembly 绘制，未用 WebGPU：浏览器没有提供 GPU。").wait_for()


@pytest.mark.browser
def test_controls_and_address(visit: Any) -> None:
    page = visit("?bundle=pets&seed=7&n=3&class=bee")
    captions = "() => [...document.querySelectorAll('.print span')].map(e => e.textContent)"
    assert page.evaluate(captions) == ["Seed 7 · bee", "Seed 8 · bee", "Seed 9 · bee"]
    page.fill("#seed", "4294967295")
    page.press("#seed", "Enter")
    page.wait_for_url("**/?*seed=4294967293*")  # three of them must follow
    page.get_by_text("So many pictures need a lower seed: shown from 4294967293").wait_for()
    page.click("#roll")
    page.wait_for_url(lambda address: "seed=4294967293" not in address)
    page.select_option("#bundle", "fashion")
    page.get_by_text("Verified on WebAssembly").wait_for()
    assert page.locator("#class option").count() == 11


@pytest.mark.browser
def test_a_download_remembers_its_seed(visit: Any) -> None:
    page = visit("?bundle=pets&seed=5&n=2")
    with page.expect_download() as download:
        page.locator(".print").first.click()
    assert download.value.suggested_filename == "seed0000005.png"
    about = read_metadata(download.value.path())
    assert (about["seeds"], about["class"], about["backend"]) == ("5", "cat", "onnxruntime-web")


@pytest.mark.browser
def test_interpolation_between_two(visit: Any) -> None:
    page = visit("?bundle=pets&seed=0&n=4")
    assert page.locator("#morph").is_hidden()
    for index in (0, 3):
        page.locator(".print").nth(index).click(modifiers=["Shift"])
    page.locator("#between canvas").wait_for()
    page.focus("#way")
    page.keyboard.press("ArrowRight")
    page.locator("#between canvas[aria-label*='51 %']").wait_for()


@pytest.mark.browser
def test_phone_chinese_keyboard_and_speed(visit: Any) -> None:
    page = visit("?bundle=fashion", width=390, locale="zh-CN", expect="已在 WebAssembly 上验证")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.inner_text("h1") == "一个种子，一张图。"
    page.click("#language")
    assert page.inner_text("h1") == "One seed, one picture."
    page.focus("#bundle")
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"seed", "roll", "count", "truncation", "draw", "print"} <= reached
    page.reload()
    page.wait_for_selector(".print canvas")
    assert page.evaluate("performance.now()") < 3000


@pytest.mark.browser
def test_what_cannot_be_drawn_is_said_and_nothing_else_is_drawn(visit: Any) -> None:
    page = visit("?bundle=pets&seed=7&n=2")
    assert page.inner_text("#facts") == "8 × 8 px, colour, 6-number latent"
    for field, typed, words in [
        ("seed", "7.5", "The seed is a whole number from 0 to 4294967295"),
        ("seed", "-1", "The seed is a whole number"),
        ("seed", "", "The seed is a whole number"),
        ("count", "65", "Pictures: a whole number from 1 to 64"),
        ("truncation", "0.001", "Truncation is 0 (off), or 0.01 to 3"),
    ]:
        before = page.input_value(f"#{field}")
        page.fill(f"#{field}", typed)
        page.press(f"#{field}", "Enter")
        page.get_by_text(words).wait_for()
        assert "seed=7&n=2" in page.url
        page.fill(f"#{field}", before)
        page.press(f"#{field}", "Enter")
        page.wait_for_function("document.querySelector('#problem').textContent === ''")


@pytest.mark.browser
def test_what_an_address_asks_for_in_vain_is_said(visit: Any) -> None:
    page = visit("?bundle=nobody&seed=7.5&n=99&class=dog&truncation=1&adapter=fast")
    page.get_by_text(
        "The address asks for what there is not: bundle=nobody, n=99, seed=7.5, class=dog, adapter=fast"
    ).wait_for()
    assert page.locator(".print").count() == 24
    assert visit("?bundle=pets&seed=07&n=2&truncation=1.0").inner_text("#problem") == ""


SWAPPED = {b'"bee", "cat"': b'"cat", "bee"'}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("bundles/pets/generator.onnx", {b"gansample": b"gansampla"}, "its digest is wrong"),
        ("bundles/pets/about.json", SWAPPED, "its digest is wrong"),
        ("bundles/pets/about.json", {b"gansample.seal": b"gansample.sale"}, "its digest is wrong"),
        ("bundles/pets/about.json", None, "about.json (HTTP 404)"),
        ("bundles.json", {b"[": b""}, "There is no list of generators here"),
        ("bundles.json", {b'"pets"': b"3"}, "There is no list of generators here"),
        ("bundles.json", None, "There is no list of generators here"),
        ("ort/ort.wasm.min.mjs", None, "It could not be opened"),
    ],
)
def test_a_damaged_folder_is_not_used(
    name: str, changes: dict[bytes, bytes] | None, words: str, site: Path, browser: Any, url: str
) -> None:
    path = site / name
    whole = damaged = path.read_bytes()
    for old, new in (changes or {}).items():
        damaged = damaged.replace(old, new)
    assert changes is None or damaged != whole
    path.unlink()
    try:
        if changes is not None:
            path.write_bytes(damaged)
        page = browser.new_page()
        page.goto(f"{url}/?bundle=pets")
        page.get_by_text(words).wait_for()
        assert page.locator(".print").count() == 0
        assert page.locator("#draw").is_disabled()
        page.close()
    finally:
        path.write_bytes(whole)


@pytest.mark.browser
def test_a_generator_under_anothers_name_is_not_used(site: Path, browser: Any, url: str) -> None:
    pets, fashion, aside = (site / "bundles" / name for name in ("pets", "fashion", "aside"))
    swap = ((pets, aside), (fashion, pets), (aside, fashion))
    for old, new in swap:
        old.rename(new)
    try:
        page = browser.new_page()
        page.goto(f"{url}/?bundle=pets")
        page.get_by_text("its digest is wrong").wait_for()
        assert page.locator(".print").count() == 0
        page.close()
    finally:
        for old, new in swap:
            old.rename(new)


@pytest.mark.browser
def test_a_page_that_lacks_a_script_says_so(site: Path, browser: Any, url: str) -> None:
    (site / "texts.js").rename(site / "aside.js")
    try:
        page = browser.new_page()
        page.goto(url)
        page.get_by_text("lacks one of its files").wait_for()
        page.close()
    finally:
        (site / "aside.js").rename(site / "texts.js")


@pytest.mark.browser
def test_another_models_goldens_are_noticed(site: Path, browser: Any, url: str) -> None:
    about = site / "bundles" / "pets" / "about.json"
    whole = about.read_bytes()
    goldens = json.loads(whole)["goldens"]
    change_about(about.parent, goldens={**goldens, "images": base64.b64encode(bytes(8 * 8 * 8 * 3)).decode()})
    try:
        page = browser.new_page()
        page.goto(f"{url}/?bundle=pets")
        page.get_by_text("FAIL: this browser draws other pictures").wait_for()
        page.close()
    finally:
        about.write_bytes(whole)


@pytest.mark.browser
def test_opened_as_a_file_it_says_what_it_needs(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    assert "it needs a web server" in page.inner_text("#state")
    page.close()


@pytest.mark.browser
def test_axe_finds_nothing_serious(browser: Any, url: str, tmp_path: Path) -> None:
    axe = (install_node_modules(tmp_path) / "axe-core" / "axe.min.js").read_text()
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.goto(f"{url}/?bundle=fashion&n=4")
        page.get_by_text("Verified on WebAssembly").wait_for()
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        serious = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
        context.close()
        assert serious == [], scheme
