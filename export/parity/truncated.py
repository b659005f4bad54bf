"""Of a generator with a mapping: the verdict beside psi 1, and the goldens that hold it where the bundle is used.

What the synthesis draws is compared at psi 1 as every generator's pictures are. Nearer to the mean style its pictures are
others, and a form of it might fail there alone; at psi 0 all are the mean picture.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from export.effort import at_once, fewer
from export.export_model import ExportModel, render
from export.mapping import AtPsi
from export.parity.reference import Reference
from export.parity.verdict import ParityReport, Row
from gansample.bundle.fidelity import GATES, compare
from gansample.runtimes.base import Run, run_batched
from gansample.runtimes.styles import Mapping as StyleMapper
from gansample.runtimes.styles import StyleRunner
from gansample.types import Images

COMPARED = {0.7: 256, 0.0: 8}  # psi -> latents; 0.7 is what nearly everybody draws StyleGAN's pictures at


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncatedPictures:
    """What the reference draws for the first seeds at other psi than 1."""

    mapping: StyleMapper
    images: Mapping[float, Images]
    """psi -> (N, H, W, C)"""

    @classmethod
    def draw(cls, reference: Reference, mapping: StyleMapper) -> "TruncatedPictures":
        images = {}
        for psi, most in COMPARED.items():
            n = min(len(reference.seeds), fewer(reference.generator.spec, most, least=8))
            images[psi] = render(_at_psi(reference.generator, psi), reference.z[:n], _first(reference.label, n)).images
        return cls(mapping=mapping, images=images)

    def check(self, report: ParityReport, runner: StyleRunner, reference: Reference) -> ParityReport:
        """`report` with a row for every psi; what fails there fails the variant."""
        gate, rows = GATES[report.precision], []
        for psi, images in self.images.items():
            n, batch = len(images), at_once(reference.generator.spec)
            w = runner.styles(reference.z[:n], _first(reference.label, n), np.full(n, psi, np.float32))
            seen = compare(run_batched(runner.run, w, None, batch), images)
            rows.append(Row(latents=f"psi {psi:g}", batch=batch, fidelity=seen, failures=tuple(gate.failures(seen))))
        failures = [f"{row.latents}: {failure}" for row in rows for failure in row.failures]
        return replace(report, rows=(*report.rows, *rows), failures=(*report.failures, *failures))

    def through_mapping(self, open_unrounded: Callable[[], Run[Any]] | None) -> Callable[[], Run[Any]] | None:
        """The same from latents and labels, at psi 1."""
        if open_unrounded is None:
            return None

        def open_from_latents() -> Run[Any]:
            unrounded = open_unrounded()
            return lambda z, label: unrounded(self.mapping.styles(z, label, np.ones(len(z), np.float32)), None)

        return open_from_latents

    def goldens(self, reference: Reference, n: int) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays of golden.npz: `n` pictures, every seed at psi 1 and at psi 0.7."""
        psi = 0.7
        seeds = min((n + 1) // 2, len(self.images[psi]))
        images = np.stack([reference.images[:seeds], self.images[psi][:seeds]], 1)
        label = reference.label[:seeds] if reference.label is not None else np.zeros(seeds, np.int64)
        return {
            "seeds": np.repeat(np.array(reference.seeds[:seeds], np.int64), 2),
            "label": np.repeat(label, 2),
            "images": images.reshape(-1, *images.shape[2:]),
            "psi": np.tile(np.array([1, psi], np.float32), seeds),
        }


def _at_psi(reference: ExportModel, psi: float) -> ExportModel:
    """The reference at one psi, computed as it is."""
    other = ExportModel(AtPsi(reference.network, psi), reference.spec)
    other.widened, other.computed_in = reference.widened, reference.computed_in
    return other


def _first(label: npt.NDArray[np.int64] | None, n: int) -> npt.NDArray[np.int64] | None:
    return label[:n] if label is not None else None
