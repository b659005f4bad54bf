"""A bundle is used only if every byte of it is what the exporter wrote."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from gansample.bundle import seal
from gansample.bundle.open import Bundle, newest_bundle, open_bundle
from gansample.errors import ArtefactError
from gansample.sampling.sampler import open_sampler


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def draw_one(path: Path) -> None:
    with open_sampler(path) as sampler:
        sampler.sample([0])


def reseal(bundle: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest as a careless program would that knows how to seal it."""
    document = json.loads((bundle / "bundle.json").read_text())
    change(document)
    document[seal.KEY] = seal.BLANK
    (bundle / "bundle.json").write_bytes(seal.sealed(json.dumps(document, indent=2).encode()))


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["bundle.json", "generator.onnx"])
def test_every_flipped_bit_is_found(bundle: Path, name: str) -> None:
    path = bundle / name
    sound = path.read_bytes()
    for bit in random.Random(0).sample(range(len(sound) * 8), 100):
        flip(path, bit)
        with pytest.raises(ArtefactError, match=name):
            draw_one(bundle)
        path.write_bytes(sound)
    draw_one(bundle)


def test_every_flipped_bit_is_found_in_a_single_file(bundle: Path) -> None:
    path = bundle / "generator.onnx"
    sound = path.read_bytes()
    for bit in random.Random(1).sample(range(len(sound) * 8), 100):
        flip(path, bit)
        with pytest.raises(ArtefactError, match=r"generator\.onnx"):
            draw_one(path)
        path.write_bytes(sound)
    draw_one(path)


def test_a_single_file_draws_the_same_pictures(bundle: Path) -> None:
    with open_sampler(bundle) as whole, open_sampler(bundle / "generator.onnx") as single:
        assert (whole.sample(range(8)) == single.sample(range(8))).all()
        assert whole.spec == single.spec
        assert whole.bundle.sha256 == single.bundle.sha256


def empty(bundle: Path) -> None:
    (bundle / "generator.onnx").write_bytes(b"")


def truncate(bundle: Path) -> None:
    data = (bundle / "generator.onnx").read_bytes()
    (bundle / "generator.onnx").write_bytes(data[: len(data) // 2])


def lose(bundle: Path) -> None:
    (bundle / "generator.onnx").unlink()


def other_latent(bundle: Path) -> None:
    reseal(bundle, lambda document: document["latent"].update(size=7))  # type: ignore[attr-defined]


def other_shape(bundle: Path) -> None:
    reseal(bundle, lambda document: document["image"].update(height=16))  # type: ignore[attr-defined]


def invent_classes(bundle: Path) -> None:
    reseal(bundle, lambda document: document.update(classes=["a", "b"]))


def other_schema(bundle: Path) -> None:
    reseal(bundle, lambda document: document.update(schema=99))


def escape(bundle: Path) -> None:
    def point_outside(document: dict[str, object]) -> None:
        document["files"]["../secret"] = {"sha256": "0" * 64, "bytes": 1}  # type: ignore[index]

    reseal(bundle, point_outside)


def no_digest(bundle: Path) -> None:
    reseal(bundle, lambda document: document.update(files={}))


def edit_unsealed(bundle: Path) -> None:
    text = (bundle / "bundle.json").read_text()
    (bundle / "bundle.json").write_text(text.replace('"name": "tiny"', '"name": "tidy"'))


def not_json(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("{")


def deep_json(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("[" * 100_000)


def no_seal(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("{}")


def folder_for_a_file(bundle: Path) -> None:
    lose(bundle)
    (bundle / "generator.onnx").mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (empty, "is empty"),
        (truncate, "bytes, its bundle says"),
        (lose, r"generator\.onnx is missing"),
        (other_latent, r"z is float32 \(N, 6\), not float32 \(N, 7\)"),
        (other_shape, r"images is uint8 \(N, 8, 8, 3\), not uint8 \(N, 16, 8, 3\)"),
        (invent_classes, "label is absent"),
        (other_schema, "schema 99"),
        (escape, "leads out of the bundle"),
        (no_digest, r"no digest for generator\.onnx"),
        (edit_unsealed, "does not match its seal"),
        (not_json, "no valid JSON"),
        (deep_json, "no valid JSON"),
        (no_seal, "no seal"),
        (folder_for_a_file, "no regular file"),
    ],
)
def test_damage_is_refused_and_named(bundle: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(bundle)
    with pytest.raises(ArtefactError, match=words):
        draw_one(bundle)


def test_a_strangers_onnx_is_refused_with_the_way_in(tmp_path: Path) -> None:
    graph = onnx.helper.make_graph([], "g", [], [], [])
    path = tmp_path / "theirs.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    with pytest.raises(ArtefactError, match=r"python -m export --onnx"):
        open_bundle(path)


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no bundle\.json"):
        open_bundle(tmp_path)


def test_the_newest_bundle_is_taken(tiny_bundle: Path, tmp_path: Path) -> None:
    import os

    for age, name in enumerate(["c", "a", "b"]):
        manifest = Path(shutil.copytree(tiny_bundle, tmp_path / name)) / "bundle.json"
        os.utime(manifest, ns=(0, 10**18 - age))
    shutil.copytree(tiny_bundle, tmp_path / ".half-written")
    assert newest_bundle(tmp_path).name == "c"
    with pytest.raises(ArtefactError, match="make train export"):
        newest_bundle(tmp_path / "nothing")


def test_a_bundle_knows_its_variants(tiny_bundle: Path) -> None:
    bundle: Bundle = open_bundle(tiny_bundle)
    assert bundle.variant("onnx-fp32").runtime == "onnxruntime"
    with pytest.raises(ArtefactError, match="it has onnx-fp32"):
        bundle.variant("nonsense")
