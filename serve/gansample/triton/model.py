"""Inside Triton's Python backend: seeds in, pictures out, drawn by gansample from the bundle that lies beside this file.

Triton imports it as a module of its own, so gansample must be installed where Triton runs: pip install 'gansample[cpu]'.
"""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # Triton's own, there only inside of it

from gansample.bundle.open import open_bundle
from gansample.latents import SEED_END
from gansample.sampling.open_verified import open_verified


class TritonPythonModel:
    """What the backend calls. Raising in `initialize` keeps the model from becoming ready, with the reason in Triton's log."""

    def initialize(self, arguments: dict[str, str]) -> None:
        folder = Path(arguments["model_repository"], arguments["model_version"], "bundle")
        self._sampler = open_verified(open_bundle(folder))
        self._spec = self._sampler.spec

    def execute(self, requests: list[Any]) -> list[Any]:
        """Triton's dynamic batch: every request drawn together, one that cannot be drawn refused alone."""
        answers: list[Any] = [None] * len(requests)
        together: list[tuple[int, Any, Any]] = []
        for place, request in enumerate(requests):
            try:
                together.append((place, *self._checked(request)))
            except ValueError as error:
                refusal = pb.TritonError(str(error), pb.TritonError.INVALID_ARG)
                answers[place] = pb.InferenceResponse(output_tensors=[], error=refusal)
        if together:
            seeds = np.concatenate([seeds for _, seeds, _ in together])
            z = self._spec.latents([int(seed) for seed in seeds])
            label = np.concatenate([label for _, _, label in together]) if self._spec.classes is not None else None
            images = self._sampler.draw(z, label)
            start = 0
            for place, own, _ in together:
                drawn = np.ascontiguousarray(images[start : start + len(own)])
                start += len(own)
                answers[place] = pb.InferenceResponse(output_tensors=[pb.Tensor("images", drawn)])
        return answers

    def _checked(self, request: Any) -> tuple[Any, Any]:
        """Seeds (N,) and labels (N,), or None. Raises ValueError for what has no picture."""
        seeds = pb.get_input_tensor_by_name(request, "seed").as_numpy().reshape(-1)
        if not ((seeds >= 0) & (seeds < SEED_END)).all():
            raise ValueError(f"seed is in 0..{SEED_END - 1}")
        if self._spec.classes is None:
            return seeds, None
        given, classes = pb.get_input_tensor_by_name(request, "label"), len(self._spec.classes)
        label = given.as_numpy().reshape(-1) if given is not None else seeds % classes
        if len(label) != len(seeds) or not ((label >= 0) & (label < classes)).all():
            raise ValueError(f"label is in 0..{classes - 1}, one for each seed")
        return seeds, label.astype(np.int64)

    def finalize(self) -> None:
        self._sampler.close()
