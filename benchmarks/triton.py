"""The command of NVIDIA's own Triton server: the binary inside of pytriton (`make bindings`), with its Python backend.

It is Triton 2.51 (24.10). Its onnxruntime and TensorRT backends are in no package index.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import gansample

BINDINGS = Path(os.environ.get("GANSAMPLE_BINDINGS", Path(sys.prefix) / "bindings"))
HOME = BINDINGS / "triton" / "pytriton" / "tritonserver"
STUB = HOME / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}" / "triton_python_backend_stub"


def not_runnable() -> str | None:
    """Why Triton cannot run here; None where it can."""
    if not STUB.exists():
        return "Triton is not installed for this Python, make bindings"
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return "this Python has no shared library, which Triton's Python backend links"
    return None


def command(folder: Path, *repositories: Path) -> tuple[list[str], dict[str, str]]:
    """The server's command and environment, with its Python's packages gathered in `folder`, where it runs.

    Its Python ignores PYTHONPATH and looks in its working directory, so the packages of this environment are linked there, with
    the NumPy that it understands.
    """
    backends = folder / "backends"
    shutil.copytree(HOME / "backends", backends)
    shutil.copy(STUB, backends / "python")
    for program in (backends / "python" / STUB.name, HOME / "bin" / "tritonserver"):
        program.chmod(0o755)
    for entry in (BINDINGS / "triton").glob("numpy*"):
        (folder / entry.name).symlink_to(entry)
    (folder / "gansample").symlink_to(Path(gansample.__file__).parent)
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith("numpy") and not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)
    libraries = [BINDINGS / "triton" / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR"))]
    words = [str(HOME / "bin" / "tritonserver"), f"--backend-directory={backends}", "--allow-gpu-metrics=false"]
    words += [f"--model-repository={repository}" for repository in repositories]
    words += ["--disable-auto-complete-config", "--strict-readiness=true", "--allow-metrics=false"]
    return words, {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
