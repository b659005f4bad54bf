"""The seed contract on the shipped bundles: batch size, threads, engine and precision do not change what a seed draws."""

import threading
from pathlib import Path

import numpy as np
import pytest

from gansample import open_sampler
from gansample.bundle.fidelity import GATES
from gansample.bundle.open import Bundle, open_bundle
from gansample.types import Images
from tests.support.make_tiny_bundle import make_tiny_bundle
from tests.support.repository import ROOT

BUNDLES = ("serve/gansample/bundles/fashion", "models/clothing", "models/signs")
SEEDS = [0, 1, 2, 3, 41, 42, 1_000_003, 2**32 - 1, *range(500, 525)]


@pytest.fixture(scope="module", params=BUNDLES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return open_bundle(ROOT / request.param)


@pytest.fixture(scope="module")
def reference(bundle: Bundle) -> Images:
    with open_sampler(bundle, "onnxruntime", threads=1) as sampler:
        return sampler.sample(SEEDS)


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (7, 2), (64, 2), (33, None)])
def test_batch_and_threads(bundle: Bundle, reference: Images, batch: int, threads: int | None) -> None:
    with open_sampler(bundle, "onnxruntime", threads=threads) as sampler:
        drawn = sampler.sample(SEEDS, batch=batch)
    assert np.abs(drawn.astype(int) - reference).max() <= 1
    assert (drawn == reference).mean() > 0.9999


def test_every_variant_is_within_its_gate(bundle: Bundle, reference: Images) -> None:
    for variant in bundle.variants:
        if variant.runtime == "openvino":
            pytest.importorskip("openvino", reason="NOT RUN: openvino is not installed")
        with open_sampler(bundle, variant=variant.name, threads=2) as sampler:
            drawn, one = sampler.sample(SEEDS), sampler.sample(SEEDS[:5], batch=1)
        step = np.abs(drawn.astype(int) - reference)
        decibels = 20 * np.log10(255) - 10 * np.log10(max((step.astype(float) ** 2).mean(), 1e-12))
        assert decibels >= GATES[variant.precision].psnr_db, variant.name
        if variant.precision == "fp32":
            assert step.max() <= 1
        assert np.abs(one.astype(int) - drawn[:5]).max() <= (1 if variant.precision == "fp32" else 0), variant.name


@pytest.mark.parametrize("variant", ["onnx-fp32", "openvino-int8"])
def test_threads_share_a_sampler(variant: str, tmp_path: Path) -> None:
    if variant.startswith("openvino"):
        pytest.importorskip("openvino", reason="NOT RUN: openvino is not installed")
    with open_sampler(ROOT / "models" / "signs", variant=variant, threads=1) as sampler:
        alone = {first: sampler.sample(range(first, first + 16)) for first in (0, 100, 200, 300)}
        wrong: list[int] = []

        def draw(first: int) -> None:
            for _ in range(6):
                if not np.array_equal(sampler.sample(range(first, first + 16)), alone[first]):
                    wrong.append(first)

        crowd = [threading.Thread(target=draw, args=(first,)) for first in alone]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    assert wrong == []


def test_the_class_is_the_seeds_own_unless_asked_for(tmp_path: Path) -> None:
    with open_sampler(make_tiny_bundle(tmp_path / "b", classes=("ant", "bee"))) as sampler:
        drawn = sampler.sample(range(6))
        assert np.array_equal(drawn, sampler.sample(range(6), labels=[0, 1, 0, 1, 0, 1]))
        assert np.array_equal(drawn[[5, 4]], sampler.sample([5, 4], batch=1))
