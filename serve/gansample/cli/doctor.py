"""What is wrong with the runtimes installed here, and the one command that puts it right.

Packages that overwrite each other's files, or need a driver newer than this machine's, install without complaint and then
draw on the CPU, or not at all. `examine` looks at the machine, `diagnose` is plain logic over what it found.
"""

import ctypes
import ctypes.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Literal

from gansample.errors import BackendUnavailable
from gansample.system.telemetry import disable_telemetry

ONNX_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-qnn")
IMPORTS = {"numpy": "numpy", "pillow": "PIL", "onnxruntime": "onnxruntime", "openvino": "openvino"}  # package -> module

# onnxruntime-gpu on PyPI is built for CUDA 13 since 1.27 and for CUDA 12 before.
FIRST_ONNXRUNTIME_FOR_CUDA_13 = (1, 27)
WEBGPU, OLDEST_FOR_WEBGPU = "onnxruntime-ep-webgpu", (1, 24)
BUILDER = "tensorrt-rtx"
OLDEST_DRIVER = {12: 525, 13: 580}  # CUDA major -> NVIDIA driver branch, from the CUDA release notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What `diagnose` needs to know."""

    packages: Mapping[str, str]
    """Installed distributions, normalised name -> version."""
    import_errors: Mapping[str, str]
    """Packages that are installed and do not import, with the reason."""
    driver_cuda: tuple[int, int] | None
    """The newest CUDA that the NVIDIA driver supports, (13, 0); None without a driver."""
    system_cudnn: bool
    """Whether the dynamic linker finds a cuDNN outside of the Python packages."""
    webgpu: str | None = None
    """Why the WebGPU plugin finds no adapter; None where it does, or is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    state: Literal["ok", "broken", "note"]
    what: str
    fix: str | None = None
    """One shell command, or one sentence where no command can do it."""

    def to_dict(self) -> dict[str, Any]:
        return {"state": self.state, "what": self.what, "fix": self.fix}


def examine() -> Machine:
    """Look at this Python environment and this machine's driver."""
    packages = {
        re.sub(r"[-_.]+", "-", distribution.name).lower(): distribution.version
        for distribution in metadata.distributions()
        if distribution.name
    }
    installed = {"onnxruntime" if name in ONNX_RUNTIMES else name for name in packages}
    errors = {name: error for name, module in IMPORTS.items() if name in installed and (error := _import_error(module))}
    return Machine(
        packages=packages,
        import_errors=errors,
        driver_cuda=_driver_cuda(),
        system_cudnn=ctypes.util.find_library("cudnn") is not None,
        webgpu=_webgpu_error() if WEBGPU in packages else None,
    )


def diagnose(machine: Machine) -> list[Finding]:
    """Everything found, broken or not, in the order in which it should be put right."""
    return [*_onnx_runtime(machine), *_imports(machine), *_gpu(machine), *_webgpu(machine), *_builder(machine)]


def _onnx_runtime(machine: Machine) -> list[Finding]:
    found = [name for name in ONNX_RUNTIMES if name in machine.packages]
    if not found:
        return [Finding(state="broken", what="ONNX Runtime is not installed", fix="pip install 'gansample[cpu]'")]
    if len(found) > 1:
        keep = "onnxruntime-gpu" if machine.driver_cuda and "onnxruntime-gpu" in found else found[0]
        return [
            Finding(
                state="broken",
                what=f"{' and '.join(_named(machine, found))} overwrite each other's files: the last one installed runs",
                fix=f"pip uninstall -y {' '.join(found)} && pip install {keep}",
            )
        ]
    return [Finding(state="ok", what=_named(machine, found)[0])]


def _imports(machine: Machine) -> list[Finding]:
    findings = []
    for name, reason in machine.import_errors.items():
        wheel = next((wheel for wheel in ONNX_RUNTIMES if wheel in machine.packages), name) if name == "onnxruntime" else name
        findings.append(
            Finding(
                state="broken",
                what=f"{wheel} {machine.packages[wheel]} is installed and does not import ({reason})",
                fix=f"pip install --force-reinstall --no-deps {wheel}=={machine.packages[wheel]}",
            )
        )
    return findings


def _gpu(machine: Machine) -> list[Finding]:
    cuda = {name: major for name, version in machine.packages.items() if (major := cuda_major(name, version))}
    users = [name for name in cuda if name.startswith(("onnxruntime-gpu", "tensorrt")) and not name.startswith(BUILDER)]
    if not users:
        here = "a driver, but no GPU package" if machine.driver_cuda else "no GPU package"
        return [Finding(state="note", what=f"{here} is installed: pictures are drawn on the CPU")]
    if machine.driver_cuda is None:
        words = " and ".join(_named(machine, users))
        return [Finding(state="note", what=f"{words} installed, but no NVIDIA driver: pictures are drawn on the CPU")]
    # One at a time: what is put right first may change what comes next.
    findings = _mixed_cuda(machine, cuda, users) or _old_driver(machine, cuda, users) or _missing_cudnn(machine, cuda)
    if not findings:
        words = ", ".join(_named(machine, users))
        major, minor = machine.driver_cuda
        findings.append(Finding(state="ok", what=f"{words} with a driver for CUDA {major}.{minor}"))
    return findings


def _webgpu(machine: Machine) -> list[Finding]:
    if WEBGPU not in machine.packages:
        return []
    plugin = _named(machine, [WEBGPU])[0]
    old = [name for name in ONNX_RUNTIMES if _release(machine.packages.get(name, "99")) < OLDEST_FOR_WEBGPU]
    if old:
        what = f"{plugin} needs a newer ONNX Runtime than {_named(machine, old)[0]}"
        return [Finding(state="broken", what=what, fix=f"pip install --upgrade {old[0]}")]
    if machine.webgpu is not None:
        return [Finding(state="note", what=f"{plugin}: {machine.webgpu}")]
    return [Finding(state="ok", what=f"{plugin} with a GPU")]


def _builder(machine: Machine) -> list[Finding]:
    found = [name for name in machine.packages if name.startswith(BUILDER) and name.endswith("-bindings")]
    if not found:
        return []
    draws = "" if machine.driver_cuda is not None else "; drawing with them needs an NVIDIA driver"
    return [Finding(state="ok", what=f"{_named(machine, found)[0]} builds engines{draws}")]


def _mixed_cuda(machine: Machine, cuda: Mapping[str, int], users: Sequence[str]) -> list[Finding]:
    majors = sorted(set(cuda.values()))
    if len(majors) == 1:
        return []
    # Keep the newest that the driver can run and something here asks for.
    wanted = [cuda[name] for name in users if cuda[name] <= (machine.driver_cuda or (99, 0))[0]] or [majors[0]]
    keep = max(wanted)
    leave = sorted(name for name, major in cuda.items() if major != keep)
    # Packages of two majors share folders, so removing one takes files from the other.
    repair = sorted(name for name, major in cuda.items() if major == keep and name.startswith(("nvidia-cudnn", "tensorrt")))
    again = f" && pip install --force-reinstall --no-deps {' '.join(repair)}" if repair else ""
    swap = " && pip install 'onnxruntime-gpu<1.27'" if "onnxruntime-gpu" in leave and keep == 12 else ""
    swap = " && pip install 'onnxruntime-gpu>=1.27'" if "onnxruntime-gpu" in leave and keep == 13 else swap
    sides = " beside ".join(f"CUDA {major} ({', '.join(sorted(n for n in cuda if cuda[n] == major))})" for major in majors)
    return [Finding(state="broken", what=f"packages for {sides}", fix=f"pip uninstall -y {' '.join(leave)}{again}{swap}")]


def _old_driver(machine: Machine, cuda: Mapping[str, int], users: Sequence[str]) -> list[Finding]:
    assert machine.driver_cuda is not None
    supported = machine.driver_cuda[0]
    late = [name for name in users if cuda[name] > supported]
    if not late:
        return []
    needed = max(cuda[name] for name in late)
    what = (
        f"the NVIDIA driver supports CUDA {supported}.{machine.driver_cuda[1]}, {_named(machine, late)[0]} needs CUDA {needed}"
    )
    if late == ["onnxruntime-gpu"] and supported == 12:
        return [Finding(state="broken", what=what, fix="pip install 'onnxruntime-gpu<1.27' nvidia-cudnn-cu12")]
    return [Finding(state="broken", what=what, fix=f"update the NVIDIA driver to {OLDEST_DRIVER.get(needed, needed)} or newer")]


def _missing_cudnn(machine: Machine, cuda: Mapping[str, int]) -> list[Finding]:
    major = cuda.get("onnxruntime-gpu")
    if major is None or machine.system_cudnn or f"nvidia-cudnn-cu{major}" in machine.packages:
        return []
    return [
        Finding(
            state="broken",
            what=f"{_named(machine, ['onnxruntime-gpu'])[0]} finds no cuDNN, which its convolutions need",
            fix=f"pip install nvidia-cudnn-cu{major}",
        )
    ]


def cuda_major(name: str, version: str) -> int | None:
    """The CUDA major version a package belongs to; None where it belongs to none."""
    if name == "onnxruntime-gpu":
        return 13 if _release(version) >= FIRST_ONNXRUNTIME_FOR_CUDA_13 else 12
    if not name.startswith(("nvidia-", "tensorrt")):
        return None
    if suffix := re.search(r"-cu(1\d)(?:-|$)", name):
        return int(suffix[1])
    # Since CUDA 13 NVIDIA names its packages without the suffix; of those, these carry CUDA's own version.
    return _release(version)[0] if name in ("nvidia-cuda-runtime", "nvidia-cuda-nvrtc") else None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _named(machine: Machine, names: Sequence[str]) -> list[str]:
    return [f"{name} {machine.packages[name]}" for name in names]


def _import_error(module: str) -> str | None:
    disable_telemetry()
    try:
        loaded = import_module(module)
    except Exception as error:  # a broken native package may raise anything
        return " ".join(str(error).split()) or type(error).__name__
    # What is left of two overwriting wheels after one was removed: an empty folder, which imports.
    return "its folder is empty" if loaded.__file__ is None else None


def _webgpu_error() -> str | None:
    from gansample.runtimes.webgpu.runner import load_webgpu

    try:
        load_webgpu()
    except BackendUnavailable as reason:
        return str(reason)
    return None


def _driver_cuda() -> tuple[int, int] | None:
    """What the NVIDIA driver says of itself: cuDriverGetVersion, which needs no GPU memory and no package."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return None
    version = ctypes.c_int(0)
    if driver.cuDriverGetVersion(ctypes.byref(version)) != 0 or not version.value:
        return None
    return version.value // 1000, version.value % 1000 // 10
