"""How fast each variant draws on this machine: measured once, kept, and only ever a hint.

    ~/.cache/gansample/speeds.json      {"<model>/<variant>/<threads>/<machine>": {"images_per_second": …, "open_seconds": …}}

The key holds all that decides speed: model, variant, threads, processor with its features, GPUs with their driver, versions of
the runtimes. A cache that cannot be read counts as empty, and one that cannot be written stays as it is.
"""

import contextlib
import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from gansample.errors import OutputError
from gansample.system.atomic import write_atomic
from gansample.system.cache_dir import user_cache_dir
from gansample.system.processors import usable_processors

MAX_ENTRIES = 500
_RUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt-cu13",
    "tensorrt-rtx-cu13-bindings",
    "onnxruntime-ep-webgpu",
)
_GPUS = (
    "proc/driver/nvidia/version", "proc/driver/nvidia/gpus/*/information",
    "sys/class/drm/card*/device/vendor", "sys/class/drm/card*/device/device",
)  # fmt: skip  # files in which Linux names GPUs and drivers


@dataclass(frozen=True, slots=True)
class Speed:
    images_per_second: float
    open_seconds: float

    def seconds(self, pictures: int) -> float:
        """How long `pictures` take, from nothing."""
        return self.open_seconds + pictures / self.images_per_second


class SpeedCache:
    """Speeds of one model on this machine, measured before."""

    def __init__(self, model_sha256: str, threads: int | None) -> None:
        self._prefix = f"{model_sha256[:16]}/{threads or 'all'}/{machine_key()}"
        self._path = user_cache_dir() / "speeds.json"

    def get(self, variant: str, backend: str) -> Speed | None:
        entry = self._read().get(self._key(variant, backend))
        try:
            speed = Speed(float(entry["images_per_second"]), float(entry["open_seconds"])) if entry is not None else None
        except (KeyError, TypeError, ValueError):
            return None
        return speed if speed is not None and speed.images_per_second > 0 else None

    def put(self, variant: str, backend: str, speed: Speed) -> None:
        entries = dict(self._read())
        entries[self._key(variant, backend)] = {name: round(value, 4) for name, value in asdict(speed).items()}
        newest = dict(list(entries.items())[-MAX_ENTRIES:])
        with contextlib.suppress(OSError, OutputError):  # a read-only home
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._path, (json.dumps(newest, indent=1) + "\n").encode())

    def _key(self, variant: str, backend: str) -> str:
        return f"{self._prefix}/{backend}/{variant}"

    def _read(self) -> Mapping[str, Mapping[str, float]]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}


@cache
def machine_key() -> str:
    """A short digest of the processor, its features, how many cores we may use, GPUs, and the runtimes' versions."""
    from importlib.metadata import PackageNotFoundError, version  # 14 ms that a small job has no use for

    facts = [platform.machine(), str(usable_processors())]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        facts += [line for line in lines if line.startswith(("model name", "flags", "Features"))]
    for pattern in _GPUS:
        for path in sorted(Path("/").glob(pattern)):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                facts.append(path.read_text(encoding="utf-8"))
    facts.append(os.environ.get("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", ""))  # which then counts as a GPU
    for runtime in _RUNTIMES:
        with contextlib.suppress(PackageNotFoundError):
            facts.append(f"{runtime} {version(runtime)}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
