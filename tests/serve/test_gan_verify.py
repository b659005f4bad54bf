"""`gan verify` passes an intact bundle in seconds, refuses every flipped bit, and fails a model that draws other pictures."""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gansample.bundle.open import GOLDENS, REFERENCE, open_bundle
from gansample.bundle.spec import Spec
from gansample.cli import gan
from gansample.errors import ArtefactError, BackendUnavailable, ParityError
from gansample.runtimes.backends import GPU_BACKENDS
from gansample.sampling.verify import check_digests, check_variants
from tests.support.make_tiny_bundle import LATENT, SIZE, make_tiny_bundle, reseal_bundle, tiny_onnx


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `gan` with these arguments, in this process."""
    monkeypatch.setattr(sys, "argv", ["gan", *arguments])
    with pytest.raises(SystemExit) as ended:
        gan.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


def test_an_intact_bundle_passes_within_five_seconds(tiny: Path, capsys, monkeypatch) -> None:
    started = time.perf_counter()
    code, out, err = run(capsys, monkeypatch, "verify", str(tiny), "--json")
    report = json.loads(out)
    assert (code, report["verdict"], err) == (0, "PASS", "")
    assert report["files"] == 2
    row, *on_gpu = report["variants"]
    assert [entry["backend"] for entry in on_gpu] == list(GPU_BACKENDS)
    assert (row["variant"], row["backend"], row["verdict"]) == ("onnx-fp32", "onnxruntime-cpu", "PASS")
    assert [entry["batch"] for entry in row["rows"]] == [1, 2, 3, 17, 64]
    assert time.perf_counter() - started < 5


def test_words_for_people_name_variant_backend_and_figures(tiny: Path, capsys, monkeypatch) -> None:
    code, out, _ = run(capsys, monkeypatch, "verify", str(tiny))
    assert code == 0
    for word in ("tiny", "onnx-fp32", "PASS", "onnxruntime-cpu", "max 0 steps"):
        assert word in out


def test_two_hundred_flipped_bits_are_all_refused_and_the_file_is_named(tiny: Path, tmp_path: Path) -> None:
    """In every file, the manifest included: exit code 3, and which file it is."""
    stream = np.random.RandomState(0)
    folder = shutil.copytree(tiny, tmp_path / "flipped")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert {path.name for path in files} == {"bundle.json", REFERENCE, GOLDENS}
    for i in range(200):
        path = files[i % len(files)]
        intact = path.read_bytes()
        data = bytearray(intact)
        data[stream.randint(len(data))] ^= 1 << stream.randint(8)
        path.write_bytes(data)
        with pytest.raises(ArtefactError, match=path.name):
            check_digests(open_bundle(folder))
        path.write_bytes(intact)
    assert check_digests(open_bundle(folder)) == 2


def test_a_flipped_bit_ends_the_command_with_exit_code_3(tiny: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    folder = shutil.copytree(tiny, tmp_path / "flipped")
    data = bytearray((folder / REFERENCE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / REFERENCE).write_bytes(data)
    code, out, err = run(capsys, monkeypatch, "verify", str(folder), "--json")
    assert (code, out) == (3, "")
    assert err.startswith("gan: ")
    assert err.count("\n") == 1
    assert REFERENCE in err


def test_a_model_with_other_weights_and_true_digests_ends_with_exit_code_6(
    tiny: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    spec = Spec(name="tiny", latent_size=LATENT, height=SIZE, width=SIZE, channels=3)
    weight = np.random.RandomState(0).standard_normal((LATENT, 3 * SIZE * SIZE)).astype(np.float32)
    weight[2, 5] += 0.1
    folder = reseal_bundle(
        tiny,
        tmp_path / "other",
        variants=list(open_bundle(tiny).variants),
        generator__onnx=tiny_onnx(spec, weight, np.empty((0, weight.shape[1]), np.float32)),
    )
    code, out, err = run(capsys, monkeypatch, "verify", str(folder), "--json")
    assert code == 6
    assert json.loads(out)["verdict"] == "FAIL"
    assert "onnx-fp32" in err
    assert err.count("\n") == 1


def test_a_variant_that_cannot_run_here_is_not_run_and_no_pass(tiny: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        from gansample.errors import BackendUnavailable

        raise BackendUnavailable("openvino is not installed", "pip install openvino")

    monkeypatch.setattr("gansample.sampling.verify.open_runner", missing)
    code, out, err = run(capsys, monkeypatch, "verify", str(tiny), "--json")
    report = json.loads(out)
    assert (code, report["verdict"]) == (4, "NOT RUN")
    assert report["variants"][0]["reasons"] == ["openvino is not installed: pip install openvino"]
    assert "nothing was verified" in err


def test_gpu_backends_are_not_run_without_a_gpu_and_say_why_once(tiny: Path, capsys, monkeypatch) -> None:
    def absent() -> None:
        raise BackendUnavailable("no NVIDIA driver on this machine", "use --backend auto")

    monkeypatch.setattr("gansample.runtimes.cuda_device.require_gpu", absent)
    code, out, _ = run(capsys, monkeypatch, "verify", str(tiny))
    assert code == 0
    for backend in ("cuda", "tensorrt"):
        (line,) = (line for line in out.splitlines() if line.split()[0] == backend)
        assert "NOT RUN  no NVIDIA driver on this machine" in line


def test_gpu_backends_are_judged_where_there_is_a_gpu(tiny: Path, capsys, monkeypatch) -> None:
    from gansample.runtimes.open import open_runner

    def everything_on_the_cpu(bundle, backend, variant, threads=None):  # stands in for a GPU that draws the same pictures
        if backend == "tensorrt":
            raise ParityError("the engine draws other pictures", "use another backend")
        return open_runner(bundle, variant.runtime, variant)

    monkeypatch.setattr("gansample.sampling.verify.open_runner", everything_on_the_cpu)
    code, out, _ = run(capsys, monkeypatch, "verify", str(tiny), "--json")
    rows = {row["backend"]: row for row in json.loads(out)["variants"][1:]}
    assert code == 6
    assert rows["onnxruntime-cpu"]["verdict"] == "PASS"
    assert rows["tensorrt"]["verdict"] == "FAIL"
    assert rows["tensorrt"]["reasons"] == ["the engine draws other pictures: use another backend"]


def test_a_lone_graph_has_no_goldens_and_says_so(tiny: Path, capsys, monkeypatch) -> None:
    code, _, err = run(capsys, monkeypatch, "verify", str(tiny / REFERENCE))
    assert code == 3
    assert "no goldens" in err


def test_labels_take_part(tmp_path: Path) -> None:
    folder = make_tiny_bundle(tmp_path / "classes", classes=("a", "b", "c"))
    check, *_ = check_variants(open_bundle(folder))
    assert check.verdict == "PASS"
    assert check.by_batch[64].images == 16
