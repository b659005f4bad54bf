"""`gan doctor` names the broken package pair, and gives one command for it."""

import json
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from gansample.cli import doctor, gan
from gansample.cli.doctor import Machine, cuda_major, diagnose


def machine(
    *packages: str,
    driver: tuple[int, int] | None = None,
    cudnn: bool = False,
    webgpu: str | None = None,
    **import_errors: str,
) -> Machine:
    installed = dict(package.split("==") for package in packages)
    return Machine(packages=installed, import_errors=import_errors, driver_cuda=driver, system_cudnn=cudnn, webgpu=webgpu)


GPU_13 = ("onnxruntime-gpu==1.28.0", "nvidia-cudnn-cu13==9.14.0", "nvidia-cuda-runtime==13.0.96")


@pytest.mark.parametrize(
    ("seen", "names", "fix"),
    [
        pytest.param(
            machine("onnxruntime==1.28.0", "onnxruntime-gpu==1.28.0"),
            ["onnxruntime 1.28.0", "onnxruntime-gpu 1.28.0"],
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime",
            id="both-wheels-without-a-gpu",
        ),
        pytest.param(
            machine("onnxruntime==1.28.0", *GPU_13, driver=(13, 0)),
            ["onnxruntime 1.28.0", "onnxruntime-gpu 1.28.0"],
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
            id="both-wheels-with-a-gpu",
        ),
        pytest.param(
            machine("onnxruntime==1.23.0", "onnxruntime-ep-webgpu==0.4.0"),
            ["onnxruntime-ep-webgpu 0.4.0 needs a newer ONNX Runtime than onnxruntime 1.23.0"],
            "pip install --upgrade onnxruntime",
            id="a-plugin-newer-than-its-runtime",
        ),
        pytest.param(machine("numpy==2.3.0"), ["ONNX Runtime"], "pip install 'gansample[cpu]'", id="no-onnxruntime"),
        pytest.param(
            machine("onnxruntime==1.28.0", onnxruntime="its folder is empty"),
            ["onnxruntime 1.28.0", "its folder is empty"],
            "pip install --force-reinstall --no-deps onnxruntime==1.28.0",
            id="left-empty-by-the-other-wheel",
        ),
        pytest.param(
            machine(*GPU_13, "nvidia-cudnn-cu12==9.10.0", driver=(13, 0)),
            ["CUDA 12 (nvidia-cudnn-cu12)", "CUDA 13"],
            "pip uninstall -y nvidia-cudnn-cu12 && pip install --force-reinstall --no-deps nvidia-cudnn-cu13",
            id="cu12-beside-cu13",
        ),
        pytest.param(
            machine(
                "onnxruntime==1.28.0",
                "tensorrt-cu12==10.16.1",
                "tensorrt-cu13==11.4.0",
                "tensorrt-cu13-bindings==11.4.0",
                driver=(13, 0),
            ),
            ["tensorrt-cu12", "tensorrt-cu13"],
            "pip uninstall -y tensorrt-cu12 && pip install --force-reinstall --no-deps tensorrt-cu13 tensorrt-cu13-bindings",
            id="two-tensorrts",
        ),
        pytest.param(
            machine("onnxruntime-gpu==1.28.0", "nvidia-cudnn-cu12==9.10.0", driver=(12, 4)),
            ["CUDA 12", "CUDA 13"],
            "pip uninstall -y onnxruntime-gpu && pip install --force-reinstall --no-deps nvidia-cudnn-cu12"
            " && pip install 'onnxruntime-gpu<1.27'",
            id="cu13-runtime-on-a-cu12-stack",
        ),
        pytest.param(
            machine("onnxruntime-gpu==1.28.0", driver=(13, 0)),
            ["onnxruntime-gpu 1.28.0", "cuDNN"],
            "pip install nvidia-cudnn-cu13",
            id="missing-cudnn",
        ),
        pytest.param(
            machine("onnxruntime-gpu==1.26.0", driver=(13, 0)),
            ["cuDNN"],
            "pip install nvidia-cudnn-cu12",
            id="missing-cudnn-12",
        ),
        pytest.param(
            machine(*GPU_13, driver=(12, 4)),
            ["supports CUDA 12.4", "needs CUDA 13"],
            "pip install 'onnxruntime-gpu<1.27' nvidia-cudnn-cu12",
            id="driver-too-old",
        ),
        pytest.param(
            machine("onnxruntime==1.28.0", "tensorrt-cu13==11.4.0", driver=(12, 4)),
            ["supports CUDA 12.4", "tensorrt-cu13 11.4.0 needs CUDA 13"],
            "update the NVIDIA driver to 580 or newer",
            id="driver-too-old-for-tensorrt",
        ),
    ],
)
def test_a_broken_machine_gets_one_command(seen: Machine, names: list[str], fix: str) -> None:
    broken = [finding for finding in diagnose(seen) if finding.state == "broken"]
    assert [finding.fix for finding in broken] == [fix]
    for name in names:
        assert name in broken[0].what


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (machine("onnxruntime==1.28.0"), "no GPU package"),
        (machine("onnxruntime==1.28.0", driver=(13, 0)), "a driver, but no GPU package"),
        (machine(*GPU_13), "no NVIDIA driver"),
        (machine(*GPU_13, driver=(13, 0)), "driver for CUDA 13.0"),
        (machine("onnxruntime-gpu==1.28.0", driver=(13, 0), cudnn=True), "driver for CUDA 13.0"),
    ],
)
def test_a_sound_machine_has_nothing_broken(seen: Machine, words: str) -> None:
    findings = diagnose(seen)
    assert [finding for finding in findings if finding.state == "broken"] == []
    assert any(words in finding.what for finding in findings)


@pytest.mark.parametrize(
    ("name", "version", "major"),
    [
        ("nvidia-cudnn-cu12", "9.10.0", 12),
        ("tensorrt-cu13-bindings", "11.4.0", 13),
        ("nvidia-cuda-runtime", "13.0.96", 13),
        ("onnxruntime-gpu", "1.26.1", 12),
        ("onnxruntime-gpu", "1.27.0", 13),
        ("numpy", "2.3.0", None),
        ("nvidia-ml-py", "13.580.0", None),
    ],
)
def test_the_cuda_a_package_belongs_to(name: str, version: str, major: int | None) -> None:
    assert cuda_major(name, version) == major


def test_the_command_reads_what_is_really_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through importlib.metadata, names normalised as pip does, with exit code 4."""
    installed = [SimpleNamespace(name=name, version="1.28.0") for name in ("onnxruntime", "ONNXRuntime_GPU")]
    monkeypatch.setattr(metadata, "distributions", lambda: iter(installed))
    monkeypatch.setattr(doctor, "_driver_cuda", lambda: None)
    monkeypatch.setattr(sys, "argv", ["gan", "doctor", "--json"])
    with pytest.raises(SystemExit) as ended:
        gan.main()
    report = json.loads(capsys.readouterr().out)
    assert ended.value.code == 4
    assert report["broken"] == 1
    assert report["findings"][0]["fix"].startswith("pip uninstall -y onnxruntime onnxruntime-gpu")


def test_a_package_that_does_not_import_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """A namespace package is what one wheel leaves of another; a module that raises is a broken library."""
    (tmp_path / "hollow").mkdir()
    (tmp_path / "raises.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor._import_error("hollow") == "its folder is empty"
    assert "libcudart.so.13" in str(doctor._import_error("raises"))
    assert doctor._import_error("json") is None


def test_plugins_and_builders_are_named_with_what_they_lack() -> None:
    plugin, builder = "onnxruntime-ep-webgpu==0.4.0", "tensorrt-rtx-cu13-bindings==1.7.1"
    told = [finding.what for finding in diagnose(machine("onnxruntime==1.32.0", plugin, builder, webgpu="no GPU"))]
    assert "onnxruntime-ep-webgpu 0.4.0: no GPU" in told
    assert "tensorrt-rtx-cu13-bindings 1.7.1 builds engines; drawing with them needs an NVIDIA driver" in told
    told = [finding.what for finding in diagnose(machine("onnxruntime==1.32.0", plugin, builder, driver=(13, 0)))]
    assert "onnxruntime-ep-webgpu 0.4.0 with a GPU" in told
    assert "tensorrt-rtx-cu13-bindings 1.7.1 builds engines" in told
