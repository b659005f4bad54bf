"""What a benchmark ran on: without it a figure means nothing."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    from gansample.system.processors import processor_name

    flags = next(
        (line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if line.startswith("flags")), ""
    ).split()
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8")
    packages = ("torch", "onnxruntime", "openvino", "nncf", "numpy")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor_name(),
        "instructions": [flag for flag in wanted if flag in flags],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }
