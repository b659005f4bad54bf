"""docs/ablation.md and its plot, from the files that `python -m train ablate` wrote: python -m benchmarks.ablation"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.readme import RESULTS, replaced
from gansample.system.atomic import write_atomic
from train.show.ablation import markdown, plot_png

PAGE = Path("docs/ablation.md")
DATA = ("digits", "fashion-mnist")


def documents() -> list[Mapping[str, Any]]:
    return [json.loads((RESULTS / f"ablation-{name}.json").read_text()) for name in DATA]


def rendered(page: str) -> str:
    """`page` with every table anew from its file."""
    for name, document in zip(DATA, documents(), strict=True):
        page = replaced(page, name, markdown(document))
    return page


if __name__ == "__main__":
    write_atomic(PAGE, rendered(PAGE.read_text()).encode())
    write_atomic(PAGE.with_suffix(".png"), plot_png(documents()))
