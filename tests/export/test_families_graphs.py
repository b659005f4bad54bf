"""Every family's network becomes an ONNX graph that draws what it draws, at any batch size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from export.export_model import cycled_labels, render
from export.graph.to_onnx import export_graph
from gansample.latents import latents
from tests.export.test_families_damaged import FILES
from tests.support.families import imported_weights

OPTIONS: Mapping[str, Mapping[str, Any]] = {"taesd": {"latent_shape": (4, 8, 8)}, "kl": {"latent_shape": (4, 8, 8)}}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_its_graph_draws_the_same(name: str, tmp_path: Path) -> None:
    generator = imported_weights(FILES[name](), tmp_path, **OPTIONS.get(name, {})).generator
    session = onnxruntime.InferenceSession(export_graph(generator).model, providers=["CPUExecutionProvider"])
    for n in (1, 5):
        z, label = latents(range(n), generator.spec.latent_size, "normal"), cycled_labels(generator.spec, n)
        (drawn,) = session.run(["images"], {"z": z} | ({"label": label} if label is not None else {}))
        off = np.abs(drawn.astype(int) - render(generator, z, label).images)
        assert off.max() <= 1
        assert (off == 0).mean() > 0.999
