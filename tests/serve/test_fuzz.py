"""Any arguments and any damage end in a picture or a one-line refusal: no traceback, and no success with a broken bundle."""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from gansample.bundle.open import MANIFEST
from gansample.cli.gansample import app
from gansample.errors import GansampleError
from tests.support.repository import ROOT

NUMBERS = ["-1", "0", "1", "3", "4294967295", "4294967296", "1e3", "0.5", "nan", "inf", "", "x", "²", "-"]
SEEDS = ["0-3", "3-0", "1,1", "1,7", "1,,2", "4294967295", "0-4294967295", "a-b", "٣"]
VALUES = {
    "--n": [*NUMBERS, "40"],
    "--seed": NUMBERS,
    "--seeds": SEEDS,
    "--walk": SEEDS,
    "--frames": NUMBERS,
    "--around": NUMBERS,
    "--radius": NUMBERS,
    "--mix": ["1+2", "3-1,4", "+", "-1", "1+", "1+4294967296", "a"],
    "--latents": ["absent.npy", ".", "/dev/null", ""],
    "--class": ["ant", "bea", "0,1", "9", "", "ant,"],
    "--truncation": NUMBERS,
    "--backend": ["auto", "onnxruntime", "openvino", "cuda", "tensorrt", "abacus", ""],
    "--precision": ["exact", "fast", "quick"],
    "--batch": ["0", "1", "7", "4097"],
    "--threads": ["0", "1", "x"],
    "--format": ["png", "webp", "jpg", "gif", "npz", "npy", "tar", "zip", "folder", "rgb24", "bmp", ""],
    "--grid": ["auto", "2x2", "0x1", "1000000x1", "x", "2X2"],
    "--pad": ["-1", "0", "3", "257"],
    "--upscale": ["0", "1", "2", "65"],
    "--fps": ["0", "12"],
    "--shard": ["0", "2"],
}
FLAGS = ["--loop", "--force", "--resume", "--no-metadata", "--json", "--quiet", "--nonsense"]
OUTS = ["out.png", "out.tar", "out.npz", "out.gif", "out.bmp", "folder", "absent/out.png", "out", ".png"]

options = st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(VALUES[name])))
words = st.one_of(options, st.sampled_from(FLAGS).map(lambda flag: (flag,)), st.sampled_from(OUTS).map(lambda out: (out,)))


def refused(result: Result) -> bool:
    """Whether it was refused; fails for anything that users should not meet."""
    if isinstance(result.exception, GansampleError):
        assert "\n" not in str(result.exception)
        assert result.exception.exit_code in (2, 3, 4, 5)
        return True
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 2), result.output
    return result.exit_code != 0


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words, max_size=5))
@example([("--walk", "0-4294967295"), ("out.png",)])
@example([("--around", "0"), ("--n", "1"), ("out.png",)])
@example([("--n", "3"), ("--format", "npy"), ("out",)])
def test_any_arguments(
    tiny_classes_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: list[tuple[str, ...]]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    arguments = [word for group in groups for word in group]
    if refused(CliRunner().invoke(app, ["--bundle", str(tiny_classes_bundle), *arguments])):
        left = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
        assert left == set(), "what is refused leaves nothing behind"


DAMAGES = 60


@pytest.mark.parametrize("source", ["serve/gansample/bundles/fashion", "models/signs"])
def test_any_damage_to_a_bundle(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = random.Random(7)
    names = [MANIFEST, "generator.onnx"]  # what drawing reads; `gan verify` reads the rest, and has a test of its own
    for number in range(DAMAGES):
        bundle = shutil.copytree(ROOT / source, tmp_path / f"bundle{number}")
        victim = bundle / stream.choice(names)
        data = bytearray(victim.read_bytes())
        match stream.choice(["flip", "cut", "grow", "zero", "gone", "swap"]):
            case "flip":
                data[stream.randrange(len(data))] ^= 1 << stream.randrange(8)
            case "cut":
                del data[stream.randrange(len(data)) :]
            case "grow":
                data += stream.randbytes(1 + stream.randrange(100))
            case "zero":
                start = stream.randrange(len(data))
                data[start : start + 512] = b"\xff" * len(data[start : start + 512])
            case "swap":
                data = bytearray((bundle / stream.choice(["README.md", "golden.npz", "report.html"])).read_bytes())
            case "gone":
                data = bytearray()
        victim.write_bytes(data) if data else victim.unlink()
        result = CliRunner().invoke(app, ["--bundle", str(bundle), "--n", "1", f"{number}.png"])
        assert refused(result), (number, result.output)
        assert isinstance(result.exception, GansampleError)
        assert result.exception.exit_code == 3, result.exception
        assert not (tmp_path / f"{number}.png").exists()
        shutil.rmtree(bundle)
