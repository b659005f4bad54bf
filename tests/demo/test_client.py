"""Every button of the page is an endpoint that `gradio_client` can call, and pictures arrive as they were drawn."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gansample import open_sampler
from gansample.outputs.metadata import read_metadata
from tests.support.make_style_bundle import make_style_bundle
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.processes import Command
from tests.support.repository import ROOT
from tests.support.run_demo import Demo, serve_demo

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture(scope="module")
def style_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_style_bundle(tmp_path_factory.mktemp("bundles") / "styles")


@pytest.fixture(scope="module")
def demo(
    tiny_bundle: Path, tiny_classes_bundle: Path, style_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    damaged = tmp_path_factory.mktemp("damaged") / "damaged"
    shutil.copytree(tiny_bundle, damaged)
    model = damaged / "generator.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    with serve_demo([tiny_bundle, tiny_classes_bundle, damaged, ROOT / "models" / "signs", style_bundle]) as demo:
        yield demo


@pytest.fixture(scope="module")
def client(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return gradio_client.Client(demo.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def generate(client: Any, **settings: Any) -> tuple[list[Path], list[str], str]:
    """Downloaded files, captions, and the report line."""
    gallery, report = client.predict(api_name="/generate", **{"bundle": "tiny", "label": "each in turn", "seed": 0, **settings})
    return [Path(item["image"]) for item in gallery["value"]], [item["caption"] for item in gallery["value"]], report


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_event_is_a_named_endpoint_with_documented_parameters(client: Any) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(endpoints) == {
        "/generate", "/surprise", "/last_used", "/choose", "/start", "/neighbours", "/morph", "/film", "/mix", "/sheet",
        "/check", "/about", "/scrub",
    }  # fmt: skip
    assert all(parameter["parameter_name"] for endpoint in endpoints.values() for parameter in endpoint["parameters"])


def test_pictures_arrive_unchanged_with_their_metadata(client: Any, tiny_bundle: Path) -> None:
    files, captions, report = generate(client, seed=42, count=3)
    with open_sampler(tiny_bundle) as sampler:
        expected, digest = sampler.sample([42, 43, 44]), sampler.bundle.sha256
    assert captions == ["seed 42", "seed 43", "seed 44"]
    assert [file.name for file in files] == ["seed0000042.png", "seed0000043.png", "seed0000044.png"]
    for file, seed, image in zip(files, [42, 43, 44], expected, strict=True):
        metadata = read_metadata(file)
        assert (metadata["seeds"], metadata["model_sha256"], metadata["backend"]) == (str(seed), digest, "onnxruntime-cpu")
        np.testing.assert_array_equal(pixels(file), image)
    assert "**3**" in report
    assert "onnxruntime-cpu · onnx-fp32 (the bundle's only exact variant that runs here)" in report


def test_a_seed_gives_the_same_file_alone_and_among_64(client: Any) -> None:
    [alone], _, _ = generate(client, seed=7, count=1)
    among, _, _ = generate(client, seed=0, count=64)
    assert alone.read_bytes() == among[7].read_bytes()


def test_a_class_can_be_chosen_and_depends_on_the_seed_otherwise(client: Any) -> None:
    files, captions, _ = generate(client, bundle="pets", label="bee", seed=4294967295, count=1)
    assert captions == ["seed 4294967295 · bee"]
    assert read_metadata(files[0])["class"] == "bee"
    files, _, _ = generate(client, bundle="pets", seed=4, count=3)
    assert [read_metadata(file)["class"] for file in files] == ["bee", "cat", "ant"]


def test_a_class_whose_name_has_a_comma_can_be_chosen(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "fish", name="fish", classes=("tench, Tinca tinca", "goldfish", "shark"))
    with serve_demo([bundle]) as demo:
        client = gradio_client.Client(demo.url, verbose=False, download_files=str(tmp_path / "downloads"))
        files, captions, _ = generate(client, bundle="fish", label="tench, Tinca tinca", seed=1, count=1)
    assert captions == ["seed 1 · tench, Tinca tinca"]
    assert read_metadata(files[0])["class"] == "0"


def test_the_dice_draw_from_the_seed_they_show(client: Any) -> None:
    seed, gallery, _ = client.predict("tiny", "each in turn", 7, 2, 0, "exact", api_name="/surprise")
    assert 0 <= seed < 2**32
    assert [item["caption"] for item in gallery["value"]] == [f"seed {seed}", f"seed {seed + 1}"]
    back, gallery, _ = client.predict("tiny", "each in turn", seed, 2, 0, "exact", api_name="/last_used")
    assert back == 7
    assert [item["caption"] for item in gallery["value"]] == ["seed 7", "seed 8"]


def test_another_bundle_brings_its_classes_facts_pictures_and_card(client: Any) -> None:
    labels, facts, gallery, _, card, receipts, preview, _, psi = client.predict("pets", 5, 2, 0, "exact", api_name="/choose")
    assert [choice[1] for choice in labels["choices"]] == ["each in turn", "ant", "bee", "cat"]
    assert "colour, 6-number latent" in facts
    assert [item["caption"] for item in gallery["value"]] == ["seed 5 · cat", "seed 6 · ant"]
    assert "pets" in card
    assert receipts["variants"][0]["parity"]["verdict"] == "PASS"
    assert preview == [], "it was made for these tests, not trained"
    assert not psi["visible"], "it has no mapping"
    assert "path" not in receipts, "folders of this machine are nobody's business"


def test_truncation_and_precision_are_obeyed(client: Any, tiny_bundle: Path) -> None:
    files, _, _ = generate(client, seed=3, count=2, truncation=0.5, precision="fast")
    with open_sampler(tiny_bundle) as sampler:
        expected = sampler.sample([3, 4], truncation=0.5)
    assert all(np.array_equal(pixels(file), image) for file, image in zip(files, expected, strict=True))
    assert read_metadata(files[0])["truncation"] == 0.5


def test_psi_is_obeyed_and_refused_by_a_generator_without_a_mapping(client: Any, demo: Demo, style_bundle: Path) -> None:
    files, _, _ = generate(client, bundle="styles", seed=3, count=2, psi=0.7)
    with open_sampler(style_bundle) as sampler:
        expected = sampler.sample([3, 4], psi=0.7)
    assert all(np.array_equal(pixels(file), image) for file, image in zip(files, expected, strict=True))
    assert read_metadata(files[0])["psi"] == 0.7
    assert "psi" not in read_metadata(generate(client, bundle="styles", seed=3, count=1)[0][0])
    another = gradio_client.Client(demo.url, verbose=False)  # a visitor of its own: the page remembers the bundle's classes
    *_, kept = another.predict("styles", 5, 2, 0, "exact", 0.7, api_name="/choose")
    assert (kept["visible"], kept["value"]) == (True, 0.7)
    *_, reset = another.predict("tiny", 5, 2, 0, "exact", 0.7, api_name="/choose")
    assert (reset["visible"], reset["value"]) == (False, 1)
    with pytest.raises(Exception, match="mapping"):
        generate(client, seed=3, count=2, psi=0.7)


def test_the_way_between_styles_is_straight(client: Any, style_bundle: Path, gansample: Command, tmp_path: Path) -> None:
    gallery = client.predict("styles", 3, 9, 50, "each in turn", 0, 0.5, api_name="/morph")
    walk = ("--walk", "3,9", "--frames", 100, "--psi", 0.5)
    assert gansample("--bundle", style_bundle, *walk, "walk.npz").returncode == 0
    assert np.array_equal(pixels(Path(gallery["value"][1]["image"])), np.load(tmp_path / "walk.npz")["images"][50])


def shown(gallery: Any) -> list[str]:
    return [item["caption"] for item in gallery["value"]]


def test_neighbours_remember_their_centre(client: Any, tiny_bundle: Path) -> None:
    gallery, _ = client.predict("tiny", 7, 0.2, api_name="/neighbours")
    assert len(gallery["value"]) == 11
    about = read_metadata(Path(gallery["value"][3]["image"]))
    assert (about["around"], about["radius"], about["seed"]) == (7, 0.2, 3)


def test_a_morph_begins_and_ends_with_its_seeds(client: Any, tiny_bundle: Path) -> None:
    gallery = client.predict("tiny", 3, 9, 50, api_name="/morph")
    assert shown(gallery) == ["3 → 9 · 0%", "3 → 9 · 50%", "3 → 9 · 100%"]
    files = [Path(item["image"]) for item in gallery["value"]]
    with open_sampler(tiny_bundle) as sampler:
        first, last = sampler.sample([3, 9])
    assert np.array_equal(pixels(files[0]), first)
    assert np.array_equal(pixels(files[2]), last)


def test_a_film_is_one_file_that_remembers(client: Any) -> None:
    path = Path(client.predict("tiny", 3, 9, "gif", api_name="/film")[0])
    with Image.open(path) as image:
        assert (image.format, image.n_frames, image.size) == ("GIF", 49, (256, 256))  # type: ignore[attr-defined]
    assert read_metadata(path)["walk"] == "3,9"


def test_a_film_is_what_the_command_line_writes(
    client: Any, tiny_classes_bundle: Path, gansample: Command, tmp_path: Path
) -> None:
    path = Path(client.predict("pets", 3, 9, "gif", "bee", 1.5, api_name="/film")[0])
    walk = ("--walk", "3,9", "--frames", 48, "--class", "bee", "--truncation", 1.5, "--fps", 20, "--upscale", 32)
    done = gansample("--bundle", tiny_classes_bundle, *walk, "walk.gif")
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == (tmp_path / "walk.gif").read_bytes()


def test_a_film_is_h264_where_an_encoder_is_installed(client: Any) -> None:
    av = pytest.importorskip("av", reason="NOT RUN: no encoder, pip install av")
    path, player = client.predict("tiny", 3, 9, "mp4", api_name="/film")
    with av.open(path) as film:
        assert (film.streams.video[0].codec.name, sum(1 for _ in film.decode(video=0))) == ("h264", 49)
        assert json.loads(film.metadata["comment"])["walk"] == "3,9"
    assert player.startswith("<video ")


def test_the_class_holds_in_every_tab(client: Any) -> None:
    gallery, _ = client.predict("pets", 7, 0.2, "bee", api_name="/neighbours")
    assert {caption.split(" · ")[-1] for caption in shown(gallery)} == {"bee"}
    assert shown(client.predict("pets", 3, 9, 50, "bee", api_name="/morph"))[2] == "3 → 9 · 100% · bee"
    assert shown(client.predict("pets", "3+9-4", "bee", api_name="/mix")) == ["3+9-4 · bee"]
    assert read_metadata(Path(client.predict("pets", 3, 9, "gif", "bee", api_name="/film")[0]))["class"] == "bee"


def test_sums(client: Any) -> None:
    assert shown(client.predict("tiny", "3 + 9 − 4, 1+2", api_name="/mix")) == ["3+9-4", "1+2"]
    with pytest.raises(gradio_client.exceptions.AppError, match="cannot read"):
        client.predict("tiny", "3 plus 4", api_name="/mix")


def test_the_contact_sheet_is_seeds_0_to_99(client: Any) -> None:
    gallery, _ = client.predict("tiny", api_name="/sheet")
    assert shown(gallery) == [f"seed {seed}" for seed in range(100)]


def test_the_goldens_are_drawn_again_and_judged(client: Any) -> None:
    table, gallery = client.predict("tiny", api_name="/check")
    assert "| onnx-fp32 | PASS | **PASS** |" in table
    assert shown(gallery) == ["PyTorch float64", "onnx-fp32", "onnx-fp32, difference × 32"]
    golden, drawn, difference = (pixels(Path(item["image"])).astype(int) for item in gallery["value"])
    assert golden.shape == (8, 64, 3)
    assert np.array_equal(np.clip(abs(golden - drawn) * 32, 0, 255), difference)


def test_every_engine_of_a_bundle_is_judged_or_says_why_not(client: Any) -> None:
    """Of signs, which ships with an int8 variant; what cannot run here, such as a GPU, is named with the reason."""
    table, gallery = client.predict("signs", api_name="/check")
    rows = {row.split(" | ")[0].strip("| "): row for row in table.splitlines()[2:] if row.startswith("|")}
    assert list(rows)[:2] == ["onnx-fp32", "openvino-int8"]
    assert {"onnx-fp32 · cuda", "onnx-fp32 · tensorrt"} < set(rows)
    for name, row in rows.items():
        assert "**PASS**" in row or "NOT RUN: " in row, row
        assert (name in shown(gallery)) == ("**PASS**" in row)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "the seed is -1: type a whole number from 0"),
        ({"seed": 2**32}, "the seed is 4294967296: type a whole number from 0 to 4294967295"),
        ({"seed": 2**32 - 2, "count": 3}, "choose a lower seed"),
        ({"seed": None}, "type a whole number"),
        ({"count": 0}, "less than minimum value 1"),
        ({"count": 65}, "greater than maximum value 64"),
        ({"bundle": "../tiny"}, "not in the list of choices"),
        ({"bundle": "/etc/passwd"}, "not in the list of choices"),
        ({"label": "dog"}, "not in the list of choices"),
        ({"truncation": -1}, "less than minimum value 0"),
        ({"precision": "quick"}, "not in the list of choices"),
        ({"bundle": None}, "there is no bundle"),
        ({"bundle": "damaged"}, "this generator cannot draw just now"),
    ],
)
def test_invalid_settings_are_refused_with_a_reason(client: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=message):
        generate(client, **{"count": 1, **settings})


def test_an_error_says_nothing_about_this_machine(client: Any, demo: Demo, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(gradio_client.exceptions.AppError) as refusal:
        generate(client, bundle="damaged", count=1)
    assert "/" not in str(refusal.value)
    assert "sha256" in caplog.text  # the operator reads the cause
