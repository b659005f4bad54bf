"""The page's address, which a visitor can copy: ?bundle=…&seed=…&n=…&class=…&truncation=…&precision=…"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.bundle_store import BundleStore
from demo.drawing import EVERY_CLASS, FIRST_COUNT, FIRST_SEED, MAX_PICTURES
from gansample.latents import SEED_END
from gansample.sampling.options import PRECISIONS

# Writes the view into the browser's address and returns it; its arguments are the inputs of Generate.
UPDATE_ADDRESS = """(bundle, label, seed, count, truncation, precision) => {
  const query = new URLSearchParams({bundle, seed, n: count});
  if (label !== "each in turn") query.set("class", label);
  if (truncation) query.set("truncation", truncation);
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


def parse_address(query: Mapping[str, str], bundle_store: BundleStore) -> View:
    """The view that an address asks for. Unknown names become the default, numbers out of range the nearest valid one."""
    bundle = _one_of(bundle_store.names, query.get("bundle"))
    count = int(_number(query.get("n"), FIRST_COUNT, 1, MAX_PICTURES))
    return View(
        bundle=bundle,
        label=_one_of((EVERY_CLASS, *bundle_store.classes(bundle)), query.get("class")),
        seed=int(_number(query.get("seed"), FIRST_SEED, 0, SEED_END - count)),
        count=count,
        truncation=_number(query.get("truncation"), 0, 0, 3),
        precision=_one_of(PRECISIONS, query.get("precision")),
    )


def _one_of(choices: Sequence[str], text: str | None) -> str:
    return text if text is not None and text in choices else choices[0]


def _number(text: str | None, default: float, low: float, high: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return default
    return min(max(value, low), high) if not math.isnan(value) else default
