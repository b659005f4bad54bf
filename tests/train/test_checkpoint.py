"""A checkpoint loads exactly as it was written, or is refused in one line that names the file and the reason."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from gansample.bundle.seal import digest, sealed
from gansample.errors import ArtefactError, OutputError
from gansample.system import atomic
from train import checkpoint
from train.checkpoint import MANIFEST, WEIGHTS, load_generator, newest_run, save_checkpoint
from train.model.latents import LatentSpace
from train.model.networks import Generator, generate_images

ARGUMENTS = {"latent_size": 6, "image_size": 8, "channels": 1, "width": 4, "kernel": 4, "stride": 2, "output": "tanh"}


SPACE = LatentSpace(size=6)


def small_generator(seed: int) -> Generator:
    torch.manual_seed(seed)
    return Generator(**ARGUMENTS).eval()  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    save_checkpoint(folder, small_generator(0), {"name": "tiny", "generator": ARGUMENTS, "step": 7})
    return folder


def test_round_trip(run: Path) -> None:
    loaded = load_generator(run)
    assert not loaded.generator.training
    assert loaded.info["step"] == 7
    assert loaded.sha256 == digest((run / WEIGHTS).read_bytes())
    inputs = SPACE.inputs_for_seeds(range(4))
    assert torch.equal(generate_images(loaded.generator, inputs), generate_images(small_generator(0), inputs))
    assert sorted(path.name for path in run.iterdir()) == [MANIFEST, WEIGHTS]


def rewrite(run: Path, weights: bytes) -> None:
    """Replace the weights by others whose digest is right: what is wrong with them must be seen by looking."""
    info = json.loads((run / MANIFEST).read_text())
    info["files"][WEIGHTS] = {"sha256": digest(weights), "bytes": len(weights)}
    info["gansample.seal"] = "0" * 64
    (run / WEIGHTS).write_bytes(weights)
    (run / MANIFEST).write_bytes(sealed(json.dumps(info).encode()))


def change_tensor(run: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(run / WEIGHTS)
    change(tensors)
    rewrite(run, save(tensors))


def set_info(run: Path, **changes: object) -> None:
    info = json.loads((run / MANIFEST).read_text()) | changes | {"gansample.seal": "0" * 64}
    (run / MANIFEST).write_bytes(sealed(json.dumps(info).encode()))


def poison(tensors: dict[str, torch.Tensor]) -> None:
    tensors["layers.0.weight"][0, 0] = torch.nan


REFUSALS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no folder", shutil.rmtree, r"cannot read .*checkpoint.json \(No such file.*make train"),
    ("no manifest", lambda run: (run / MANIFEST).unlink(), "cannot read .*checkpoint.json"),
    ("no weights", lambda run: (run / WEIGHTS).unlink(), "cannot read .*generator.safetensors"),
    ("empty manifest", lambda run: (run / MANIFEST).write_bytes(b""), "checkpoint.json is empty"),
    ("empty weights", lambda run: (run / WEIGHTS).write_bytes(b""), "generator.safetensors is empty"),
    (
        "truncated manifest",
        lambda run: (run / MANIFEST).write_bytes((run / MANIFEST).read_bytes()[:-20]),
        "checkpoint.json does not match its seal",
    ),
    (
        "truncated weights",
        lambda run: (run / WEIGHTS).write_bytes((run / WEIGHTS).read_bytes()[:-4]),
        "its checkpoint says .*incomplete or was changed",
    ),
    ("a manifest from elsewhere", lambda run: (run / MANIFEST).write_text('{"schema": 1}'), "does not match its seal"),
    ("a folder for weights", lambda run: ((run / WEIGHTS).unlink(), (run / WEIGHTS).mkdir()), "cannot read"),
    ("another schema", lambda run: set_info(run, schema=2), "has schema 2, this version reads 1"),
    ("no file table", lambda run: set_info(run, files={}), "generator.safetensors"),
    ("wrong width", lambda run: set_info(run, generator=ARGUMENTS | {"width": 8}), "does not hold the generator it describes"),
    ("immense width", lambda run: set_info(run, generator=ARGUMENTS | {"width": 10**7}), "does not hold the generator"),
    ("unknown argument", lambda run: set_info(run, generator={"depth": 3}), "does not hold the generator it describes"),
    ("uneven kernel", lambda run: set_info(run, generator=ARGUMENTS | {"image_size": 9}), "does not hold the generator"),
    ("missing tensor", lambda run: change_tensor(run, lambda t: t.pop("layers.0.weight")), "Missing key.*layers.0.weight"),
    ("extra tensor", lambda run: change_tensor(run, lambda t: t.update(extra=torch.ones(1))), "Unexpected key.*extra"),
    (
        "half precision",
        lambda run: change_tensor(run, lambda t: t.update({"layers.0.weight": t["layers.0.weight"].half()})),
        "layers.0.weight is torch.float16, not torch.float32",
    ),
    ("a weight that is NaN", lambda run: change_tensor(run, poison), "layers.0.weight holds values that are not finite"),
    ("a pickle", lambda run: rewrite(run, pickle.dumps({"weights": [1, 2]})), "does not hold the generator it describes"),
]


@pytest.mark.parametrize(("damage", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refuses(run: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(run)
    with pytest.raises(ArtefactError, match=reason) as caught:
        load_generator(run)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_refuses_any_flipped_bit(run: Path, name: str) -> None:
    intact = (run / name).read_bytes()
    for position in range(0, len(intact), max(1, len(intact) // 97)):
        damaged = bytearray(intact)
        damaged[position] ^= 1 << position % 8
        (run / name).write_bytes(damaged)
        with pytest.raises(ArtefactError):
            load_generator(run)


@pytest.mark.parametrize("writes", [1, 2])
def test_killed_between_its_writes_it_still_loads(run: Path, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the weights alone the old generator is the one; once the manifest is in place, the new one is."""
    done = 0

    def write(path: Path, data: bytes) -> None:
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        atomic.write_atomic(path, data)

    monkeypatch.setattr(checkpoint, "write_atomic", write)
    if writes == 2:
        monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(KeyboardInterrupt), raising=True)
        monkeypatch.setattr(checkpoint, "write_atomic", lambda path, data: path.write_bytes(data))
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(run, small_generator(1), {"name": "tiny", "generator": ARGUMENTS, "step": 8})
    monkeypatch.undo()
    loaded = load_generator(run)
    assert loaded.info["step"] == 6 + writes
    assert torch.equal(loaded.generator.layers[0].weight, small_generator(writes - 1).layers[0].weight)
    save_checkpoint(run, small_generator(2), {"name": "tiny", "generator": ARGUMENTS, "step": 9})
    assert load_generator(run).info["step"] == 9


def test_a_full_disk_keeps_the_last_good_checkpoint(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device.*the disk is full"):
        save_checkpoint(run, small_generator(1), {"name": "tiny", "generator": ARGUMENTS, "step": 8})
    monkeypatch.undo()
    assert load_generator(run).info["step"] == 7
    assert sorted(path.name for path in run.iterdir()) == [MANIFEST, WEIGHTS]


def test_the_newest_run_is_the_one_written_last(run: Path, tmp_path: Path) -> None:
    later = tmp_path / "0001-earlier-by-name"
    later.mkdir()
    save_checkpoint(later, small_generator(1), {"name": "tiny", "generator": ARGUMENTS, "step": 1})
    (tmp_path / ".half-copied").mkdir()
    save_file({}, tmp_path / "unrelated.safetensors")
    assert newest_run(tmp_path) == later
    with pytest.raises(ArtefactError, match=r"no trained generator under .*make train"):
        newest_run(tmp_path / "nowhere")
