"""The bundles being served. Each is verified before its first picture is sent: digests of every file, then the goldens.

A bundle that is replaced on disk is opened and verified while the old one keeps serving. The old one is replaced only if the
new one passes.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gansample.bundle.open import Bundle, open_bundle
from gansample.bundle.spec import Spec
from gansample.errors import GansampleError, shorten, suggest
from gansample.http.batcher import Batcher
from gansample.http.errors import ApiError
from gansample.http.inference_engine import InferenceEngine
from gansample.http.settings import Settings
from gansample.http.stamp import stamp_of
from gansample.sampling.engine_choice import pictures_of_a_service
from gansample.sampling.open_verified import open_verified
from gansample.sampling.sampler import Engine
from gansample.sampling.styles import ToStylesAtPsi

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Model:
    """An opened and verified bundle."""

    name: str
    bundle: Bundle
    engine: Engine
    inference_engine: InferenceEngine
    mapping: ToStylesAtPsi | None = None
    """Latents and labels to styles, of a generator with a mapping: engines then draw styles, whatever the psi."""
    close: Callable[[], None]
    """Finish all accepted requests, then free the engine."""
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def spec(self) -> Spec:
        return self.bundle.spec


ModelLoader = Callable[[str, Path, Settings], Model]
"""Opens and verifies the bundle at a path. Raises ArtefactError, BackendUnavailable or ParityError."""


def load_in_process(name: str, path: Path, settings: Settings) -> Model:
    """A ModelLoader: the engine runs in this process."""
    bundle = open_bundle(path)
    sampler = open_verified(bundle, settings.engine, pictures=pictures_of_a_service(bundle, settings.engine))
    batcher = Batcher(
        sampler.runner.run, batch=settings.engine.batch, max_waiting=settings.max_waiting, deadline=settings.deadline, name=name
    )
    closing = contextlib.ExitStack()
    closing.callback(sampler.close)
    closing.callback(batcher.close)
    return Model(
        name=name,
        bundle=sampler.bundle,
        engine=sampler.engine,
        inference_engine=batcher,
        mapping=sampler.styles if sampler.spec.mapping is not None else None,
        close=closing.close,
    )


class Models:
    """The served models by name; the first one is the default."""

    def __init__(self, bundles: Mapping[str, Bundle], settings: Settings, load: ModelLoader = load_in_process) -> None:
        self._settings, self._load = settings, load
        self._stamps = {name: stamp_of(bundle.path) for name, bundle in bundles.items()}
        self._models = {name: load(name, bundle.path, settings) for name, bundle in bundles.items()}
        self.reloads = {"done": 0, "refused": 0}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, name: str | None) -> Model:
        """The default model for None. Raises ApiError 404 for an unknown name, with the known ones."""
        if name is None:
            return next(iter(self._models.values()))
        if name not in self._models:
            raise ApiError(404, f"there is no model {name!r}: {suggest(name, list(self._models))}", param="model")
        return self._models[name]

    @property
    def ready(self) -> bool:
        return all(model.inference_engine.alive for model in self._models.values())

    async def watch(self) -> None:
        """Look for newer exports, and switch to them, until cancelled. No model waits for another one's."""
        await asyncio.gather(*(self._watch(name) for name in self._models))

    async def _watch(self, name: str) -> None:
        """What is found is tried at once; after a refusal, which may have met a copy under way, once its files are quiet."""
        tried = last = self._stamps[name]
        refused = False
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            try:
                stamp = await asyncio.to_thread(stamp_of, self._models[name].bundle.path)
                quiet, last = stamp == last, stamp
                if stamp is None or stamp == tried or (refused and not quiet):
                    continue
                tried, refused = stamp, True  # until it is done
                await self._replace(name)
                refused = False
            except Exception as error:  # whatever a folder holds, or a library raises for it: the next export must be noticed
                self.reloads["refused"] += 1
                logger.error("%s is not replaced: %s", name, _in_words(error))

    async def _replace(self, name: str) -> None:
        old = self._models[name]
        fresh = await asyncio.to_thread(self._load, name, old.bundle.path, self._settings)
        self._models[name] = fresh
        self.reloads["done"] += 1
        logger.info("%s is now %s", name, fresh.bundle.sha256[:12])
        try:
            await asyncio.to_thread(old.close)
        except Exception as error:  # the newer one serves all the same
            logger.error("the older %s did not close: %s", name, _in_words(error))

    def close(self) -> None:
        """Finish all accepted requests, then free the engines."""
        for model in self._models.values():
            model.close()


def _in_words(error: Exception) -> str:
    """On one line, and with its kind where it is none of ours."""
    text = shorten(" ".join(str(error).split()))
    return text if isinstance(error, GansampleError) else f"{type(error).__name__}: {text}"
