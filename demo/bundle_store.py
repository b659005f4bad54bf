"""The bundles the page offers: found on disk, chosen by name, opened on first use."""

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.previews import RUNS
from gansample.bundle.open import MANIFEST, PLACES, Bundle, open_bundle
from gansample.errors import ArtefactError, UsageError
from gansample.sampling.sampler import Sampler, open_sampler


def find_bundles(roots: Sequence[Path] = PLACES) -> list[Bundle]:
    """Every bundle one level under `roots`, root by root, newest first.

    A damaged one is skipped with a warning, so that it cannot take the others down. Raises ArtefactError where
    none is left.
    """
    manifests: list[Path] = []
    for root in roots:
        found = [path for path in root.glob(f"*/{MANIFEST}") if not path.parent.name.startswith(".")]
        manifests += sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    bundles = []
    for manifest in manifests:
        try:
            bundles.append(open_bundle(manifest.parent.absolute()))
        except ArtefactError as error:
            print(f"not shown: {error}", file=sys.stderr)
    if not bundles:
        places = " or ".join(f"{root}/" for root in roots)
        raise ArtefactError(f"no bundle under {places}", "make one with `make train export`, or pass --bundle FOLDER")
    return bundles


class BundleStore:
    """Bundles by the name a visitor picks. Visitors name bundles, never paths.

    runs  the folder of training runs, whose previews About shows.
    """

    def __init__(self, bundles: Sequence[Bundle], runs: Path = RUNS) -> None:
        self.runs = runs.absolute()  # the page moves to an empty working directory
        self.bundles: Mapping[str, Bundle] = _named(bundles)
        self._samplers: dict[tuple[str, str], Sampler] = {}
        self._opening = threading.Lock()

    @property
    def names(self) -> list[str]:
        """In the order given; the page opens with the first."""
        return list(self.bundles)

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
                self._samplers[name, precision] = open_sampler(bundle, precision=precision)
            return self._samplers[name, precision]

    def close(self) -> None:
        with self._opening:
            for sampler in self._samplers.values():
                sampler.close()
            self._samplers.clear()


def _named(bundles: Sequence[Bundle]) -> dict[str, Bundle]:
    """Bundles by folder name; a name already taken gets its parent folder in front."""
    named: dict[str, Bundle] = {}
    for bundle in bundles:
        name = bundle.path.name
        if name in named:
            name = f"{bundle.path.parent.name}/{name}"
        named.setdefault(name, bundle)
    return named
