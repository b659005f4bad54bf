"""The bundles the page offers: found on disk, chosen by name, opened on first use."""

import logging
import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from demo.previews import RUNS
from gansample.bundle.open import MANIFEST, PLACES, Bundle, bundle_named, open_bundle
from gansample.errors import ArtefactError, UsageError
from gansample.sampling.engine_choice import pictures_of_a_service
from gansample.sampling.options import EngineOptions
from gansample.sampling.sampler import Sampler, open_sampler
from gansample.system.newest import folders_newest_first

logger = logging.getLogger(__name__)

NEWEST = "the newest under artifacts/, else fashion"  # what `open_bundle` takes where none is named


def find_bundles(roots: Sequence[Path] = PLACES) -> list[Bundle]:
    """Every bundle one level under `roots`, root by root, newest first.

    A damaged one is skipped with a warning, so that it cannot take the others down. Raises ArtefactError where
    none is left.
    """
    bundles = []
    for folder in chain.from_iterable(folders_newest_first(root, MANIFEST) for root in roots):
        try:
            bundles.append(open_bundle(folder))
        except ArtefactError as error:
            logger.warning("not shown: %s", error)
    if not bundles:
        places = " or ".join(f"{root}/" for root in roots)
        raise ArtefactError(f"no bundle under {places}", "make one with `make train export`, or pass --bundle FOLDER")
    return bundles


def open_folders(paths: Sequence[Path]) -> dict[str, Bundle]:
    """Open bundles to be copied, by folder name. Raises UsageError for a single file, or for two folders of the same name."""
    opened: dict[str, Bundle] = {}
    for bundle in map(open_bundle, paths):
        name = bundle.path.absolute().name
        if not bundle.path.is_dir():
            raise UsageError(f"{bundle.path} is a single file", "pass the bundle's folder")
        if name in opened:
            raise UsageError(f"{opened[name].path} and {bundle.path} have the same name", "leave one out, or rename a folder")
        opened[name] = bundle
    return opened


class BundleStore:
    """Bundles by the name a visitor picks. Visitors name bundles, never paths.

    runs  the folder of training runs, whose previews About shows.
    """

    def __init__(self, bundles: Sequence[Bundle], runs: Path = RUNS) -> None:
        self.runs = runs.absolute()  # the page changes to an empty working directory
        self.bundles: Mapping[str, Bundle] = _by_name([replace(each, path=each.path.absolute()) for each in bundles])
        self._arguments = {name: _argument(each.path) for name, each in self.bundles.items()}
        self._samplers: dict[tuple[str, str], Sampler] = {}
        self._opening = threading.Lock()

    @property
    def names(self) -> list[str]:
        """In the order given; the page opens with the first."""
        return list(self.bundles)

    def argument(self, name: str) -> str:
        """What `--bundle` takes for it in the folder where the page was started, and never a folder of this machine."""
        return self._arguments[name]

    def classes(self, name: str) -> tuple[str, ...]:
        """Class names of one bundle, empty for an unconditional generator."""
        return self.bundles[name].spec.classes or ()

    def bundle(self, name: str) -> Bundle:
        """Raises UsageError for an unknown name."""
        if name not in self.bundles:
            raise UsageError(f"there is no bundle {name!r}", f"choose one of {', '.join(self.names)}")
        return self.bundles[name]

    def sampler(self, name: str, precision: str = "exact") -> Sampler:
        """The opened bundle. Raises UsageError as `bundle` does; ArtefactError or BackendUnavailable where it cannot draw."""
        bundle = self.bundle(name)
        with self._opening:
            if (name, precision) not in self._samplers:
                pictures = pictures_of_a_service(bundle, EngineOptions(precision=precision))
                self._samplers[name, precision] = open_sampler(bundle, precision=precision, pictures=pictures)
            return self._samplers[name, precision]

    def close(self) -> None:
        with self._opening:
            for sampler in self._samplers.values():
                sampler.close()
            self._samplers.clear()


def _argument(path: Path) -> str:
    found = bundle_named(path.name)
    return shlex.quote(path.name if found is not None and found.absolute() == path else f"path/to/{path.name}")


def _by_name(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """Bundles by folder name; a name already taken gets its parent folder in front. Raises UsageError for a duplicate."""
    named: dict[str, Bundle] = {}
    for bundle in bundles:
        name = bundle.path.name
        if name in named and named[name].path != bundle.path:
            name = f"{bundle.path.parent.name}/{name}"
        if name in named:
            raise UsageError(
                f"{named[name].path} and {bundle.path} would both be {name!r}", "leave one out, or rename a folder"
            )
        named[name] = bundle
    return named
