"""Engines that were built on this machine, kept for the next run.

    ~/.cache/gansample/engines/         only its owner may enter: a plan is executable code
    ├── <slot>.plan                     the engine
    ├── <slot>.json                     its full key, its digest, and the receipt of its parity check; sealed
    ├── <slot>.kernels                  what TensorRT for RTX compiled on this GPU from the engine
    └── <device>.timing                 what TensorRT measured, so that the next build is shorter

A slot belongs to one graph, precision, batch and kind of GPU. Where any other part of the key has changed since (a new driver,
say), the engine is built again and the reason is logged. Nothing in here ever comes from a bundle or a network.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gansample.bundle import seal
from gansample.errors import ArtefactError, OutputError
from gansample.runtimes.cuda_device import Gpu
from gansample.system.atomic import cannot_write, write_atomic
from gansample.system.cache_dir import user_cache_dir

FOLDER_VARIABLE = "GANSAMPLE_ENGINES"  # moves the cache, for a read-only or a small home
MAX_PLAN_BYTES = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKey:
    """Everything that decides whether an engine built earlier may run now."""

    onnx_sha256: str
    gpu: str
    compute_capability: str
    driver: str
    cuda: str
    tensorrt: str
    precision: str
    max_batch: int
    flags: str
    """The builder's settings; a change of ours invalidates what older code built."""

    @classmethod
    def from_onnx(cls, onnx: bytes, gpu: Gpu, *, tensorrt: str, precision: str, max_batch: int, flags: str) -> "EngineKey":
        return cls(
            onnx_sha256=seal.digest(onnx),
            gpu=gpu.name,
            compute_capability=gpu.compute_capability,
            driver=gpu.driver,
            cuda=gpu.cuda,
            tensorrt=tensorrt,
            precision=precision,
            max_batch=max_batch,
            flags=flags,
        )

    @property
    def slot(self) -> str:
        rtx = "-rtx" if self.tensorrt.startswith("rtx") else ""
        return f"{self.onnx_sha256[:16]}{rtx}-{self.precision}-n{self.max_batch}-{_plain(self.gpu)}-sm{self.compute_capability}"

    @property
    def timing_slot(self) -> str:
        """Timings hold for one device and one exact TensorRT, whatever the graph."""
        return _plain(f"{self.gpu}-sm{self.compute_capability}-trt{self.tensorrt}-cuda{self.cuda}-{self.driver}")

    def changes_since(self, stored: Mapping[str, Any]) -> list[str]:
        """A message for every part in which this key differs from a stored one; none where the engine may be used."""
        return [
            f"{name} was {stored.get(name)!r}, is {value!r}"
            for name, value in asdict(self).items()
            if stored.get(name) != value
        ]


@dataclass(frozen=True, slots=True)
class CachedEngine:
    plan: bytes
    receipt: Mapping[str, Any]


class EngineCache:
    """The folder of engines. Opening it makes it, mode 0700, or refuses one that others may write to."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else default_folder()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.lstat()
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        if not stat.S_ISDIR(status.st_mode):
            raise OutputError(f"{self.folder} is no folder", f"name another one in {FOLDER_VARIABLE}")
        if os.name == "posix" and (status.st_uid != os.getuid() or status.st_mode & 0o077):
            raise ArtefactError(
                f"{self.folder} is open to others (mode {stat.S_IMODE(status.st_mode):o}) and its engines would be run as code",
                f"chmod 700 it after a look inside, or name another folder in {FOLDER_VARIABLE}",
            )

    def load(self, key: EngineKey) -> CachedEngine | str:
        """The engine for `key`, digest checked, or why there is none to use."""
        try:
            document = (self.folder / f"{key.slot}.json").read_bytes()
            plan = _read(self.folder / f"{key.slot}.plan")
        except FileNotFoundError:
            return "no engine was built for this model and GPU yet"
        except OSError as error:
            return f"the cached engine cannot be read ({error.strerror})"
        if not seal.seal_holds(document):
            return "the cached engine's description is damaged"
        stored = json.loads(document)
        if changes := key.changes_since(stored["key"]):
            return "; ".join(changes)
        if seal.digest(plan) != stored["sha256"]:
            return "the cached engine is damaged"
        return CachedEngine(plan, stored["receipt"])

    def store(self, key: EngineKey, plan: bytes, receipt: Mapping[str, Any]) -> None:
        """Keep a verified engine. The description is written last: without it, or with an older one, the plan is not used."""
        document = {
            "key": asdict(key),
            "sha256": seal.digest(plan),
            "bytes": len(plan),
            "receipt": dict(receipt),
            seal.KEY: seal.BLANK,
        }
        write_atomic(self.folder / f"{key.slot}.plan", plan)
        write_atomic(self.folder / f"{key.slot}.json", seal.sealed((json.dumps(document, indent=2) + "\n").encode()))

    def drop(self, key: EngineKey) -> None:
        """Forget the engine for `key`."""
        for suffix in ("json", "plan", "kernels"):
            (self.folder / f"{key.slot}.{suffix}").unlink(missing_ok=True)

    def load_timings(self, key: EngineKey) -> bytes:
        """TensorRT's timing cache for this device, empty where there is none or it is damaged."""
        return self._load_blob(f"{key.timing_slot}.timing")

    def store_timings(self, key: EngineKey, timings: bytes) -> None:
        self._store_blob(f"{key.timing_slot}.timing", timings)

    def load_kernels(self, key: EngineKey) -> bytes:
        """What TensorRT for RTX compiled from this engine, empty where there is nothing or it is damaged."""
        return self._load_blob(f"{key.slot}.kernels")

    def store_kernels(self, key: EngineKey, kernels: bytes) -> None:
        self._store_blob(f"{key.slot}.kernels", kernels)

    def _load_blob(self, name: str) -> bytes:
        path = self.folder / name
        digest, _, blob = _read(path).partition(b"\n") if path.is_file() else (b"", b"", b"")
        return blob if digest.decode("ascii", "replace") == seal.digest(blob) else b""

    def _store_blob(self, name: str, blob: bytes) -> None:
        write_atomic(self.folder / name, seal.digest(blob).encode() + b"\n" + blob)


def default_folder() -> Path:
    """$GANSAMPLE_ENGINES, else the user's cache folder as the XDG specification has it."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    return user_cache_dir() / "engines"


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_PLAN_BYTES:
        raise OSError(27, "it is larger than any engine")
    return path.read_bytes()


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
