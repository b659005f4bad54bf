"""The bundles being served. Each is proven before its first picture leaves: digests of every file, then the goldens.

A bundle that is replaced on the disk is opened, proven and warmed up beside the old one, which serves on until then, and for
ever if the new one fails.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gansample.bundle.open import MANIFEST, Bundle, open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import GansampleError
from gansample.http.batcher import Batcher
from gansample.http.drawer import Drawer
from gansample.http.refusals import Refusal
from gansample.http.settings import Settings
from gansample.outputs.metadata import picture_metadata
from gansample.sampling.open_verified import open_proven
from gansample.sampling.sampler import Engine

Stamp = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Model:
    """An opened bundle that draws PyTorch's pictures here."""

    name: str
    bundle: Bundle
    engine: Engine
    drawer: Drawer
    close: Callable[[], None]
    """Draw what was accepted, then let go."""
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def spec(self) -> Spec:
        return self.bundle.spec

    def about(self, truncation: float | None) -> dict[str, Any]:
        """What its pictures remember besides their seeds."""
        return picture_metadata(self.bundle, self.engine, {"truncation": truncation})


Opener = Callable[[str, Path, Settings], Model]
"""Opens, proves and warms up what lies at a path. Raises ArtefactError, BackendUnavailable or ParityError."""


def open_here(name: str, path: Path, settings: Settings) -> Model:
    """The Opener whose engine runs in this process."""
    sampler = open_proven(open_bundle(path), settings.backend, settings.threads, precision=settings.precision)
    batcher = Batcher(
        sampler.runner.run, batch=settings.batch, max_waiting=settings.max_waiting, deadline=settings.deadline, name=name
    )
    closing = contextlib.ExitStack()
    closing.callback(sampler.close)
    closing.callback(batcher.close)
    return Model(name=name, bundle=sampler.bundle, engine=sampler.engine, drawer=batcher, close=closing.close)


class Models:
    """By name; the first one is what requests mean that name none."""

    def __init__(self, bundles: Mapping[str, Bundle], settings: Settings, opener: Opener = open_here) -> None:
        self._settings, self._open = settings, opener
        self._stamps = {name: _stamp(bundle.path) for name, bundle in bundles.items()}
        self._models = {name: opener(name, bundle.path, settings) for name, bundle in bundles.items()}
        self.reloads = {"done": 0, "refused": 0}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str | None) -> Model:
        """Raises Refusal 404 with the names there are."""
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise Refusal(404, f"there is no model {name!r}: choose {', '.join(self._models)}", param="model")
        return self._models[name]

    @property
    def ready(self) -> bool:
        return all(model.drawer.alive for model in self._models.values())

    async def watch(self) -> None:
        """Take up newer exports until cancelled."""
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            for name, model in list(self._models.items()):
                stamp = _stamp(model.bundle.path)
                if stamp is not None and stamp != self._stamps[name]:
                    self._stamps[name] = stamp
                    await self._replace(name, model)

    async def _replace(self, name: str, old: Model) -> None:
        try:
            fresh = await asyncio.to_thread(self._open, name, old.bundle.path, self._settings)
        except GansampleError as error:
            self.reloads["refused"] += 1
            print(f"serve: {name} is not replaced: {error}", file=sys.stderr, flush=True)
            return
        self._models[name] = fresh
        self.reloads["done"] += 1
        print(f"serve: {name} is now {fresh.bundle.sha256[:12]}", file=sys.stderr, flush=True)
        await asyncio.to_thread(old.close)

    def close(self) -> None:
        """Draw what was accepted, then let go."""
        for model in self._models.values():
            model.close()


def _stamp(path: Path) -> Stamp | None:
    """What changes when the manifest, which an export writes last, is another file; None while it is not there."""
    try:
        status = (path / MANIFEST).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
