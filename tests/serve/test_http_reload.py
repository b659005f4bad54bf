"""Bundles that change on disk while they are served: good ones are noticed whatever came before, others logged and counted."""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gansample.bundle.open import open_bundle
from gansample.http.models import Model, Models, load_in_process
from gansample.http.settings import Settings
from gansample.http.stamp import MAX_FILES, stamp_of
from tests.support.make_tiny_bundle import make_tiny_bundle, reseal_bundle

PERIOD = 0.02  # seconds
Load = Callable[[str, Path, Settings], Model]


@contextlib.asynccontextmanager
async def watched(*bundles: Path, load: Load = load_in_process) -> AsyncIterator[Models]:
    models = Models({path.name: open_bundle(path) for path in bundles}, Settings(reload_seconds=PERIOD), load)
    watching = asyncio.create_task(models.watch())
    try:
        yield models
        assert not watching.done(), "the watcher ended"
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        models.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(PERIOD / 4)


def copy_over(source: Path, folder: Path) -> None:
    """File by file into the folder that is served, as `cp -r` does."""
    for path in source.iterdir():
        shutil.copyfile(path, folder / path.name)


def test_what_nobody_foresaw_does_not_end_the_watch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        bundle = make_tiny_bundle(tmp_path / "b")
        fails: list[Exception] = [ZeroDivisionError("in\na library"), MemoryError(), RuntimeError("x" * 5_000)]

        def load(name: str, path: Path, settings: Settings) -> Model:
            if models_open and fails:
                raise fails.pop()
            return load_in_process(name, path, settings)

        models_open: list[Models] = []
        async with watched(bundle, load=load) as models:
            models_open.append(models)
            while fails:
                before = models.reloads["refused"]
                (bundle / "README.md").write_text(f"{len(fails)}")
                await until(lambda before=before: models.reloads["refused"] > before)  # type: ignore[misc]
            make_tiny_bundle(tmp_path / "fresh", channels=1)
            copy_over(tmp_path / "fresh", bundle)
            await until(lambda: models.get("b").spec.channels == 1)
        refusals = [record.getMessage() for record in caplog.records if "is not replaced" in record.getMessage()]
        assert len(refusals) == models.reloads["refused"]
        assert "b is not replaced: ZeroDivisionError: in a library" in refusals
        assert max(map(len, refusals)) < 500

    asyncio.run(scenario())


@pytest.mark.parametrize("golden", [b"PK\x03\x04 and no archive", b"\x93NUMPY", b"x"])
def test_a_damage_that_digests_do_not_show(golden: bytes, tmp_path: Path) -> None:
    async def scenario() -> None:
        bundle = make_tiny_bundle(tmp_path / "b")
        async with watched(bundle) as models:
            served = models.get("b")
            variants = list(served.bundle.variants)
            copy_over(reseal_bundle(bundle, tmp_path / "damaged", variants=variants, golden__npz=golden), bundle)
            await until(lambda: models.reloads["refused"] > 0)
            assert models.get("b") is served
            copy_over(make_tiny_bundle(tmp_path / "fresh", channels=1), bundle)
            await until(lambda: models.get("b").spec.channels == 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("first", ["bundle.json", "generator.onnx", "golden.npz"])
def test_a_slow_copy_in_place_is_taken_once_it_is_whole(first: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        bundle, fresh = make_tiny_bundle(tmp_path / "b"), make_tiny_bundle(tmp_path / "fresh", channels=1)
        names = sorted((path.name for path in fresh.iterdir()), key=lambda name: name != first)
        async with watched(bundle) as models:
            for name in names:
                data = (fresh / name).read_bytes()
                with (bundle / name).open("wb") as file:
                    for start in range(0, len(data), len(data) // 3 + 1):
                        file.write(data[start : start + len(data) // 3 + 1])
                        file.flush()
                        await asyncio.sleep(PERIOD * 3)
            await until(lambda: models.get("b").spec.channels == 1)

    asyncio.run(scenario())


def test_a_repair_of_one_file_is_noticed(tmp_path: Path) -> None:
    """The manifest stays as it is."""

    async def scenario() -> None:
        bundle, fresh = make_tiny_bundle(tmp_path / "b"), make_tiny_bundle(tmp_path / "fresh", channels=1)
        whole = (fresh / "generator.onnx").read_bytes()
        (fresh / "generator.onnx").write_bytes(whole[:-1] + b"\0")
        async with watched(bundle) as models:
            copy_over(fresh, bundle)
            await until(lambda: models.reloads["refused"] > 0)
            await asyncio.sleep(5 * PERIOD)
            (bundle / "generator.onnx").write_bytes(whole)
            await until(lambda: models.get("b").spec.channels == 1)

    asyncio.run(scenario())


def test_no_model_waits_for_another_ones_export(tmp_path: Path) -> None:
    async def scenario() -> None:
        stuck = threading.Event()

        def load(name: str, path: Path, settings: Settings) -> Model:
            if name == "a" and models_open:
                stuck.wait(20)
            return load_in_process(name, path, settings)

        models_open: list[Models] = []
        bundles = [make_tiny_bundle(tmp_path / name) for name in "ab"]
        async with watched(*bundles, load=load) as models:
            models_open.append(models)
            for bundle in bundles:
                copy_over(make_tiny_bundle(tmp_path / f"fresh-{bundle.name}", channels=1), bundle)
            await until(lambda: models.get("b").spec.channels == 1)
            assert models.get("a").spec.channels == 3
            stuck.set()
            await until(lambda: models.get("a").spec.channels == 1)

    asyncio.run(scenario())


def test_stamps(tmp_path: Path) -> None:
    assert stamp_of(tmp_path / "absent") is None
    folder = tmp_path / "folder"
    (folder / "variants").mkdir(parents=True)
    assert stamp_of(folder) is None, "nothing is there yet"
    (folder / "variants/a.bin").write_bytes(b"1")
    (tmp_path / "outside").write_bytes(b"1")
    (folder / "link").symlink_to("../outside")
    (folder / "circle").symlink_to(".")
    (folder / "broken").symlink_to("nowhere")
    before = stamp_of(folder)
    assert before == stamp_of(folder)
    assert before is not None
    assert len(before) < MAX_FILES
    (tmp_path / "outside").write_bytes(b"2")
    assert stamp_of(folder) != before, "what a link leads to"
    before = stamp_of(folder)
    (folder / "variants/b.bin").write_bytes(b"")
    assert stamp_of(folder) != before
