"""The page's address, which a visitor can copy: ?bundle=…&seed=…&n=…&class=…&truncation=…&psi=…&precision=…"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.bundle_store import BundleStore
from demo.drawing import EVERY_CLASS, FIRST_COUNT, FIRST_SEED, MAX_PICTURES
from demo.texts import ENGLISH
from gansample.bundle.style_mapping import MAX_PSI
from gansample.latents import SEED_END
from gansample.sampling.options import PRECISIONS

LONGEST = 40  # characters of a parameter that are repeated to the visitor

# Writes the view into the browser's address and returns it; its arguments are the inputs of Generate.
UPDATE_ADDRESS = """(bundle, label, seed, count, truncation, precision, psi) => {
  const query = new URLSearchParams({bundle, seed, n: count});
  if (label !== "each in turn") query.set("class", label);
  if (truncation) query.set("truncation", truncation);
  if (psi !== 1) query.set("psi", psi);
  if (precision !== "exact") query.set("precision", precision);
  history.replaceState(null, "", "?" + query);
  return location.href;
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What Generate shows; each field is valid."""

    bundle: str
    label: str
    seed: int
    count: int
    truncation: float
    precision: str
    psi: float


def parse_address(query: Mapping[str, str], bundle_store: BundleStore) -> tuple[View, list[str]]:
    """The view that an address asks for, and what of it cannot be shown, in words.

    Unknown names become the default, numbers out of range the nearest valid one. Parameters of others are none of ours.
    """
    reader = _Reader(query)
    bundle = reader.name("bundle", bundle_store.names)
    mapped = bundle_store.bundles[bundle].spec.mapping is not None
    count = int(reader.number("n", FIRST_COUNT, 1, MAX_PICTURES, whole=True))
    view = View(
        bundle=bundle,
        label=reader.name("class", (EVERY_CLASS, *bundle_store.classes(bundle))),
        seed=int(reader.number("seed", FIRST_SEED, 0, SEED_END - count, whole=True)),
        count=count,
        truncation=reader.number("truncation", 0, 0, 3),
        precision=reader.name("precision", PRECISIONS),
        psi=reader.number("psi", 1, *((-MAX_PSI, MAX_PSI) if mapped else (1, 1))),
    )
    return view, reader.refused


class _Reader:
    """Reads parameters one by one, and remembers those that it could not use as they are."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self._query = query
        self.refused: list[str] = []

    def name(self, key: str, choices: Sequence[str]) -> str:
        text = self._query.get(key, choices[0])
        if text in choices:
            return text
        self._refuse(key, ENGLISH["each"] if choices[0] == EVERY_CLASS else choices[0])
        return choices[0]

    def number(self, key: str, default: float, low: float, high: float, *, whole: bool = False) -> float:
        if key not in self._query:
            return default
        try:
            value = float(self._query[key])
        except ValueError:
            value = math.nan
        used = min(max(value, low), high) if not math.isnan(value) else default
        used = math.floor(used) if whole else used
        if used != value:
            self._refuse(key, f"{used:.10g}")
        return used

    def _refuse(self, key: str, used: str) -> None:
        self.refused.append(f"{key}={self._query[key][:LONGEST]} (shown: {used})")
