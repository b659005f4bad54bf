"""For Triton's Python backend: seeds (and psi) in, pictures out, drawn by gansample from the bundle beside this file.

Triton imports it as a module of its own, so gansample must be installed where Triton runs: pip install 'gansample[cpu]'.
"""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # exists only inside Triton

from gansample.bundle.open import open_bundle
from gansample.bundle.style_mapping import MAX_PSI
from gansample.latents import SEED_END
from gansample.sampling.open_verified import open_verified


class TritonPythonModel:
    """The backend's interface. If `initialize` raises, the model does not become ready, and Triton's log has the reason."""

    def initialize(self, arguments: dict[str, str]) -> None:
        folder = Path(arguments["model_repository"], arguments["model_version"], "bundle")
        self._sampler = open_verified(open_bundle(folder))
        self._spec = self._sampler.spec

    def execute(self, requests: list[Any]) -> list[Any]:
        """Triton's dynamic batch: valid requests are drawn together, invalid ones get an error each."""
        responses: list[Any] = [None] * len(requests)
        valid: list[tuple[int, Any, Any, Any]] = []
        for index, request in enumerate(requests):
            try:
                valid.append((index, *self._checked(request)))
            except ValueError as error:
                failure = pb.TritonError(str(error), pb.TritonError.INVALID_ARG)
                responses[index] = pb.InferenceResponse(output_tensors=[], error=failure)
        if valid:
            seeds = np.concatenate([seeds for _, seeds, _, _ in valid])
            z = self._spec.latents([int(seed) for seed in seeds])
            label = np.concatenate([label for _, _, label, _ in valid]) if self._spec.classes is not None else None
            psi = np.concatenate([psi for _, _, _, psi in valid]) if self._spec.mapping is not None else None
            images = self._sampler.draw(z, label, psi)
            start = 0
            for index, own, _, _ in valid:
                drawn = np.ascontiguousarray(images[start : start + len(own)])
                start += len(own)
                responses[index] = pb.InferenceResponse(output_tensors=[pb.Tensor("images", drawn)])
        return responses

    def _checked(self, request: Any) -> tuple[Any, Any, Any]:
        """Seeds (N,), labels (N,) or None, and psi (N,) or None. Raises ValueError for values out of range."""
        seeds = pb.get_input_tensor_by_name(request, "seed").as_numpy().reshape(-1)
        if not ((seeds >= 0) & (seeds < SEED_END)).all():
            raise ValueError(f"seed is in 0..{SEED_END - 1}")
        return seeds, self._labels(request, seeds), self._psi(request, len(seeds))

    def _psi(self, request: Any, n: int) -> Any:
        if self._spec.mapping is None:
            return None
        given = pb.get_input_tensor_by_name(request, "psi")
        psi = given.as_numpy().reshape(-1) if given is not None else np.ones(n, np.float32)
        if len(psi) != n or not (np.abs(psi) <= MAX_PSI).all():
            raise ValueError(f"psi is in -{MAX_PSI:g}..{MAX_PSI:g}, one for each seed")
        return psi

    def _labels(self, request: Any, seeds: Any) -> Any:
        if self._spec.classes is None:
            return None
        given, classes = pb.get_input_tensor_by_name(request, "label"), len(self._spec.classes)
        label = given.as_numpy().reshape(-1) if given is not None else seeds % classes
        if len(label) != len(seeds) or not ((label >= 0) & (label < classes)).all():
            raise ValueError(f"label is in 0..{classes - 1}, one for each seed")
        return label.astype(np.int64)

    def finalize(self) -> None:
        self._sampler.close()
