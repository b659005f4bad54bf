"""Every page with tables from result files, rendered anew: python -m benchmarks.pages"""

from collections.abc import Mapping
from pathlib import Path

from benchmarks import documents, engines, figures, quality, sampling, sampling_targets, scale, service, training
from benchmarks.documents import Document, replaced
from gansample.system.atomic import write_atomic
from train.show import ablation

ROOT = Path(__file__).parents[1]
DATA = ("digits", "fashion-mnist")  # the ablations, which `python -m train ablate` measures


def ablations() -> list[Document]:
    return [documents.load(f"ablation-{data}.json") for data in DATA]


def tables() -> Mapping[str, Mapping[str, str]]:
    """Page -> name of the markers -> what stands between them."""
    scaled = documents.load(scale.RESULT)
    return {
        "README.md": {"figures": figures.table(figures.ENGLISH)},
        "README.zh-CN.md": {"figures": figures.table(figures.CHINESE)},
        "docs/measured.md": {
            "bench": engines.table(documents.load(engines.RESULT)),
            "sampling": sampling_targets.table(documents.load(sampling.RESULT)),
            "service": service.table(documents.load(service.RESULT)),
            "training": training.table(documents.load(training.RESULT)),
            "quality": quality.table(documents.load("quality-digits.json")),
            "quality-fashion": quality.table(documents.load("quality-fashion-mnist.json")),
        },
        "docs/scale.md": {"serving": scale.serving_table(scaled), "bulk": scale.bulk_table(scaled)},
        "docs/ablation.md": {data: ablation.markdown(document) for data, document in zip(DATA, ablations(), strict=True)},
    }


def rendered(name: str) -> str:
    """A page with every table anew from its file."""
    page = (ROOT / name).read_text(encoding="utf-8")
    for marker, table in tables()[name].items():
        page = replaced(page, marker, table)
    return page


if __name__ == "__main__":
    for name in tables():
        write_atomic(ROOT / name, rendered(name).encode())
    write_atomic(ROOT / "docs" / "ablation.png", ablation.plot_png(ablations()))
