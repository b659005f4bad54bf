"""The static page draws on WebGPU, proven by the goldens there, and on WebAssembly, saying why, where that does not hold."""

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.web_demo import model_for_browsers, write_web_demo
from gansample import open_sampler
from gansample.bundle import seal
from gansample.bundle.open import EMBEDDED, REFERENCE
from gansample.errors import BackendUnavailable
from gansample.outputs.metadata import read_metadata
from gansample.runtimes.onnxruntime_cpu import OnnxRuntimeRunner
from tests.support.chromium import open_chromium
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.repository import ROOT
from tests.support.web_page import change_about, serve_folder, shown
from tests.webgpu.test_goldens import UP, generator_with, node, up

SHIPPED = {"fashion": EMBEDDED / "fashion", "signs": ROOT / "models" / "signs", "clothing": ROOT / "models" / "clothing"}
# Software stays out of the way unless the address asks for it; this user agent finds the browser's processes.
MARK = f"gansample-{os.getpid()}"
FLAGS = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", f"--user-agent={MARK}")
# Where a sine turns a thousand times, the last bit of its argument decides: no two devices agree.
CHAOTIC = [node("Mul", ["x", "much"], ["large"]), node("Sin", ["large"], ["a"]), *up("a")]
GENERATORS = {
    "plain": ([node("Relu", ["x"], ["a"]), *up("a")], UP),
    "selu": ([node("Selu", ["x"], ["a"]), *up("a")], UP),
    "chaotic": (CHAOTIC, {**UP, "much": np.array(1e5, np.float32)}),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, bundles = tmp_path_factory.mktemp("static") / "page", tmp_path_factory.mktemp("bundles")
    own = [make_tiny_bundle(bundles / name, name=name) for name in GENERATORS]
    try:
        write_web_demo(folder, [*SHIPPED.values(), *own])
    except BackendUnavailable as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT RUN: {reason}")
    for name in GENERATORS:
        replace_generator(folder / "bundles" / name, name)
    return folder


def replace_generator(folder: Path, name: str) -> None:
    """Another network with the goldens that a CPU draws: in float32, so that they are exact there."""
    nodes, weights = GENERATORS[name]
    model, spec = generator_with(*nodes, **weights)
    z = spec.latents(range(8))
    with OnnxRuntimeRunner(model, spec) as runner:
        images = runner.run(z, None)
    (folder / REFERENCE).write_bytes(page_model := model_for_browsers(model))
    change_about(
        folder,
        file_sha256=seal.digest(page_model),
        latent={"size": spec.latent_size, "distribution": "normal"},
        image={"height": spec.height, "width": spec.width, "channels": spec.channels},
        goldens={"z": z.ravel().tolist(), "labels": [0] * 8, "images": base64.b64encode(images.tobytes()).decode()},
    )


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with serve_folder(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium(*FLAGS) as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, url: str) -> Iterator[Any]:
    """visit("plain") opens the page on a software adapter; afterwards there may be no error of the page's own."""
    context = browser.new_context(locale="en-GB")
    errors: list[str] = []

    def open_page(name: str, query: str = "&adapter=software", patience_ms: int | None = None) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if patience_ms is not None:
            page.route("**/runtime.js", lambda route: shorten(route, patience_ms))
        page.goto(f"{url}/?bundle={name}&n=4{query}")
        page.locator("#state.pass, #state.fail").wait_for(timeout=60_000)
        return page

    yield open_page
    context.close()
    assert errors == []


def shorten(route: Any, patience_ms: int) -> None:
    script = route.fetch()
    changed = script.text().replace("PATIENCE_MS = 20000", f"PATIENCE_MS = {patience_ms}")
    assert changed != script.text()
    route.fulfill(response=script, body=changed)


def verified_on(page: Any) -> str:
    """What stands before the colon of "Verified on …: within one 8-bit step of the reference"."""
    before, colon, after = page.inner_text("#state").partition(":")
    assert (before[:12], colon, after) == ("Verified on ", ":", " within one 8-bit step of the reference")
    return str(before[12:])


GPU, CPU = "WebGPU (google swiftshader)", "WebAssembly"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_bundle_that_ships_draws_the_librarys_pictures_on_webgpu(name: str, visit: Any) -> None:
    page = visit(name, "&seed=40&adapter=software")
    assert (verified_on(page), page.inner_text("#runtime")) == (GPU, "")
    with open_sampler(SHIPPED[name]) as sampler:
        expected = sampler.sample(range(40, 44))
    for index, image in enumerate(expected):
        assert np.abs(shown(page, index)[..., : image.shape[-1]].astype(int) - image).max() <= 1
    assert "adapter=software" in page.url  # a reload draws there again


def test_a_download_names_the_adapter(visit: Any) -> None:
    page = visit("plain")
    with page.expect_download() as download:
        page.locator(".print").first.click()
    about = read_metadata(download.value.path())
    assert (about["backend"], about["device"]) == ("onnxruntime-webgpu", "google swiftshader")


def test_many_questions_at_once_are_answered_in_turn(visit: Any) -> None:
    page = visit("plain")
    for index in (0, 3):
        page.locator(".print").nth(index).click(modifiers=["Shift"])
    page.focus("#way")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.locator("#between canvas[aria-label*='62 %']").wait_for()
    assert (verified_on(page), page.inner_text("#runtime")) == (GPU, "")


@pytest.mark.parametrize(
    ("name", "query", "reason"),
    [
        ("plain", "", "the only adapter is software (google swiftshader), which is slower."),
        ("selu", "&adapter=software", "it has no kernel for some of this generator's layers."),
        ("chaotic", "&adapter=software", "google swiftshader draws other pictures than the reference."),
    ],
)
def test_webassembly_draws_where_webgpu_does_not(name: str, query: str, reason: str, visit: Any) -> None:
    page = visit(name, query)
    assert verified_on(page) == CPU
    assert page.inner_text("#runtime") == f"WebAssembly draws, not WebGPU: {reason}"
    assert page.locator(".print").count() == 4
    if name == "selu":  # which says nothing about the others
        page.select_option("#bundle", "plain")
        page.get_by_text(f"Verified on {GPU}").wait_for()
        assert page.inner_text("#runtime") == ""
        page.select_option("#bundle", "selu")
        page.get_by_text(reason).wait_for()


def test_webgpu_does_not_have_all_the_time(visit: Any) -> None:
    page = visit("plain", patience_ms=10)
    assert verified_on(page) == CPU
    assert "it had not drawn the reference's pictures after 0.01 seconds." in page.inner_text("#runtime")


def test_a_folder_without_its_runtime_draws_on_webassembly(visit: Any, site: Path) -> None:
    path = site / "ort" / "ort.jspi.min.mjs"
    path.rename(path.with_suffix(".aside"))
    try:
        page = visit("plain")
        assert verified_on(page) == CPU
        assert "it failed (Failed to fetch dynamically imported module" in page.inner_text("#runtime")
    finally:
        path.with_suffix(".aside").rename(path)


def test_a_damaged_generator_is_damaged_on_every_runtime(visit: Any, site: Path) -> None:
    path = site / "bundles" / "plain" / REFERENCE
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"generator", b"generatos"))
    try:
        page = visit("plain")
        assert "its digest is wrong" in page.inner_text("#state")
        assert (page.locator(".print").count(), page.inner_text("#runtime")) == (0, "")
    finally:
        path.write_bytes(whole)


def test_when_the_gpu_is_lost_webassembly_goes_on_and_says_so(visit: Any) -> None:
    page = visit("signs")
    assert verified_on(page) == GPU
    for process in gpu_processes():
        os.kill(process, signal.SIGKILL)
    page.fill("#seed", "50")
    page.press("#seed", "Enter")
    page.get_by_text("WebAssembly draws, not WebGPU: the GPU was lost meanwhile.").wait_for()
    assert verified_on(page) == CPU
    with open_sampler(SHIPPED["signs"]) as sampler:
        expected = sampler.sample([50])[0]
    assert np.abs(shown(page, 0)[..., : expected.shape[-1]].astype(int) - expected).max() <= 1


def gpu_processes() -> list[int]:
    """Of this test's browser."""
    commands = ((int(path.parent.name), read_or_nothing(path)) for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [process for process, command in commands if b"--type=gpu-process" in command and MARK.encode() in command]


def read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""
