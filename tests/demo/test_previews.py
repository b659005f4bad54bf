"""The previews of a training are shown beside the bundle of its run, and beside no other."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from demo.bundle_store import BundleStore
from demo.image_store import private_image_store
from demo.previews import find_previews
from demo.tabs.about import About
from demo.ui import Ui
from gansample.bundle.open import Bundle, open_bundle
from gansample.outputs.png import encode_png
from tests.support.run_demo import collected_event_loops

DIGEST = "5e" * 32


@pytest.fixture
def trained(tiny_bundle: Path) -> Bundle:
    """A bundle that says which weights it was exported from."""
    bundle = open_bundle(tiny_bundle)
    return replace(bundle, spec=replace(bundle.spec, provenance={"checkpoint_sha256": DIGEST}))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs: the bundle's own, somebody else's, and one that is half written."""
    for name, digest in (("0001-own", DIGEST), ("0002-other", "0" * 64)):
        previews = tmp_path / name / "previews"
        previews.mkdir(parents=True)
        (tmp_path / name / "checkpoint.json").write_text(json.dumps({"files": {"generator.safetensors": {"sha256": digest}}}))
        for seen in (0, 1000, 2000):
            (previews / f"{seen:09d}.png").write_bytes(encode_png(np.full((4, 4, 3), seen // 10, np.uint8)))
        (previews / "note.png").write_text("not a preview")
    (tmp_path / "0000-half").mkdir()
    (tmp_path / "0000-half" / "checkpoint.json").write_text('{"files":')
    return tmp_path


@pytest.fixture
def about(trained: Bundle, runs: Path) -> Iterator[About]:
    with private_image_store() as image_store, collected_event_loops(), gr.Blocks():
        yield About(Ui(BundleStore([trained], runs), image_store))


def test_they_are_found_by_the_digest_of_the_weights(trained: Bundle, tiny_bundle: Path, runs: Path) -> None:
    assert [(seen, path.parts[-3]) for seen, path in find_previews(trained, runs)] == [
        (0, "0001-own"),
        (1000, "0001-own"),
        (2000, "0001-own"),
    ]
    assert find_previews(open_bundle(tiny_bundle), runs) == [], "it does not say what it came from"
    assert find_previews(trained, runs / "absent") == []


@pytest.mark.parametrize(("share", "seen"), [(0, 0), (20, 0), (45, 1000), (100, 2000)])
def test_the_slider_shows_the_nearest(about: About, runs: Path, share: int, seen: int) -> None:
    [picture] = about.scrub("tiny", share).value
    assert picture["caption"] == f"{seen:,} / 2,000"
    kept = Path(picture["image"]["path"])
    assert kept.read_bytes() == (runs / "0001-own" / "previews" / f"{seen:09d}.png").read_bytes()
    assert not kept.is_relative_to(runs), "runs are not served"


def test_an_unreadable_preview_is_reported(about: About, runs: Path) -> None:
    for path in (runs / "0001-own" / "previews").glob("*.png"):
        path.unlink()
        path.mkdir()
    with pytest.raises(gr.Error, match="cannot draw just now"):
        about.scrub("tiny", 50)
