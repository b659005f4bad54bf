"""Seeds in, pictures out: the one way every front end draws."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from gansample.bundle.open import Bundle, open_bundle
from gansample.bundle.spec import Spec, require_mapping
from gansample.bundle.style_mapping import check_psi
from gansample.errors import ArtefactError, UsageError
from gansample.latents import without_unit_axes
from gansample.sampling.classes import labels_for, no_classes, parse_classes
from gansample.types import Images, MapsStyles, Rows, Runner, Styles

BATCH = 64


def open_sampler(
    bundle: Bundle | Path | str | None = None,
    backend: str = "auto",
    threads: int | None = None,
    *,
    variant: str | None = None,
    precision: str = "exact",
    pictures: int | None = None,
) -> "Sampler":
    """Open a bundle for drawing; without one, the newest under `artifacts/`, else the one in the package.

        with open_sampler("digits") as sampler:
            images = sampler.sample(seeds=range(64))        # uint8 (64, 32, 32, 1)

    bundle     a folder, a lone .onnx file, or a bundle's name.
    backend    auto, onnxruntime, openvino, cuda, tensorrt, tensorrt-rtx or webgpu.
    threads    of the processor; None is all cores.
    variant    exactly this one of the bundle, whatever the precision.
    precision  "exact" draws within one 8-bit step of PyTorch; "fast" takes the quickest variant that passed its gate.
    pictures   how many will be drawn in all, which decides whether an engine that opens slowly pays. None is a few for
               exact, and very many for fast.

    What takes long, such as TensorRT building an engine, is logged by the logger `gansample` at INFO.

    Raises ArtefactError for a missing or damaged bundle, BackendUnavailable where `backend` cannot run here.
    """
    from gansample.sampling.engine_choice import MANY, open_chosen

    if pictures is None:
        pictures = MANY if precision == "fast" else BATCH
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)

    def open_one(bundle: Bundle) -> tuple[Runner, str]:
        return open_chosen(bundle, backend=backend, variant=variant, precision=precision, pictures=pictures, threads=threads)

    try:
        runner, why = open_one(opened)
    except ArtefactError:
        if (again := open_bundle(opened.path)) == opened:
            raise
        opened = again  # it was exported anew between reading its manifest and its model
        runner, why = open_one(opened)
    return Sampler(opened, runner, why)


@dataclass(frozen=True, slots=True)
class Engine:
    """What draws: the runtime and device that really run, which variant of the bundle they opened, and why it is that one."""

    backend: str
    variant: str
    why: str
    device: str | None = None
    """The GPU's name, where the runtime chose among GPUs."""


UNCHOSEN = Engine("", "", "")
"""Of a job that is looked at before its engine is open."""


class Sampler:
    """Draws pictures from one opened bundle. Picture = f(model, seed, label, truncation, psi), nothing else.

    Threads may share one: drawing waits for its turn where the runtime has only one.
    """

    def __init__(self, bundle: Bundle, runner: Runner, why: str = "it was asked for") -> None:
        self.bundle, self.runner, self.why = bundle, runner, why
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.runner.variant} on {self.runner.backend}"
        return f"<Sampler of {self.spec.name}: {state}>"

    @property
    def spec(self) -> Spec:
        return self.bundle.spec

    @property
    def engine(self) -> Engine:
        return Engine(self.runner.backend, self.runner.variant, self.why, self.runner.device)

    def sample(
        self,
        seeds: Iterable[int],
        *,
        classes: str | Sequence[str | int] | None = None,
        labels: Sequence[int] | None = None,
        truncation: float | None = None,
        psi: float | None = None,
        batch: int = BATCH,
    ) -> Images:
        """Pictures for `seeds`, uint8 (N, H, W, C).

        classes     what `--class` takes: names or numbers like "bag" or ["bag", 3], which alternate from seed to seed.
        labels      one class index per seed, instead; without either, seed s draws class s mod classes.
        truncation  redraw latent components beyond ±truncation; None leaves the latent as it is.
        psi         of a generator with a mapping: how far from the mean style (0) to the latent's own (1, and None).
        batch       pictures per call of the runtime: speed and memory, never the pictures.
        """
        if isinstance(seeds, int | np.integer):
            raise UsageError(f"seeds is {seeds}, one number", f"give several, like range({seeds}), or [{seeds}] for that one")
        parts = list(self.stream(seeds, classes=classes, labels=labels, truncation=truncation, psi=psi, batch=batch))
        return np.concatenate(parts) if parts else np.empty((0, *self._shape), np.uint8)

    def stream(
        self,
        seeds: Iterable[int],
        *,
        classes: str | Sequence[str | int] | None = None,
        labels: Iterable[int] | None = None,
        truncation: float | None = None,
        psi: float | None = None,
        batch: int = BATCH,
    ) -> Iterator[Images]:
        """As `sample`, but batch by batch, in the order of the seeds: memory stays flat however many there are."""
        if batch < 1:
            raise UsageError(f"batch is {batch}", "it must be at least 1")
        if classes is not None:
            if labels is not None:
                raise UsageError("classes and labels both say what is drawn", "give one of them")
            labels = cycle(parse_classes(classes, self.spec.classes))
        seed_stream, label_stream = iter(seeds), iter(labels) if labels is not None else None
        while chunk := list(islice(seed_stream, batch)):
            z = self.spec.latents(chunk, truncation)
            yield self.draw(z, self._labels(label_stream, chunk), psi)

    def draw(
        self,
        z: npt.NDArray[np.float32],
        label: npt.NDArray[np.int64] | None = None,
        psi: float | npt.NDArray[np.float32] | None = None,
    ) -> Images:
        """Pictures uint8 (N, H, W, C) for your own latents, float32 (N, latent_size) or (N, latent_size, 1, 1), all finite.

        label  int64 (N,), for a conditional generator.
        psi    as for `sample`; one for all, or float32 (N,).
        """
        if psi is not None:
            return self.draw_styles(self.styles(z, label, psi))
        return self.runner.run(*self._checked_latents(z, label))

    def styles(
        self,
        z: npt.NDArray[np.float32],
        label: npt.NDArray[np.int64] | None = None,
        psi: float | npt.NDArray[np.float32] = 1.0,
    ) -> Styles:
        """What the mapping makes of latents, float32 (N, layers, size). Arguments as for `draw`; UsageError without one."""
        require_mapping(self.spec)
        z, label = self._checked_latents(z, label)
        each = np.asarray(psi, np.float32)
        if each.shape not in ((), (len(z),)):
            raise UsageError(f"psi has shape {each.shape}", f"it must be one number, or ({len(z)},), one for each latent")
        for value in np.unique(each).tolist():
            check_psi(value)
        assert isinstance(self.runner, MapsStyles)
        return self.runner.styles(z, label, np.ascontiguousarray(np.broadcast_to(each, len(z))))

    def draw_styles(self, w: npt.NDArray[np.float32]) -> Images:
        """Pictures uint8 (N, H, W, C) for styles, float32 (N, layers, size), all finite: as `styles` gives them, or mixed."""
        mapping = require_mapping(self.spec)
        self._check_open()
        if w.ndim != 3 or w.shape[1:] != (mapping.layers, mapping.size):
            raise UsageError(f"styles have shape {w.shape}", f"this generator takes (N, {mapping.layers}, {mapping.size})")
        if not np.isfinite(w).all():
            raise UsageError("styles hold NaN or infinity", "every component must be a finite number")
        return self.runner.run(np.ascontiguousarray(w, np.float32), None)

    def draw_rows(self, rows: Rows, label: npt.NDArray[np.int64] | None) -> Images:
        """Pictures uint8 (N, H, W, C): of latents (N, latent_size) as `draw`, of styles (N, layers, size) as `draw_styles`."""
        return self.draw(rows, label) if rows.ndim != 3 or self.spec.mapping is None else self.draw_styles(rows)

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError(f"the sampler of {self.spec.name} is closed", "open another one: open_sampler(…)")

    def _checked_latents(
        self, z: npt.NDArray[np.float32], label: npt.NDArray[np.int64] | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
        """Latents and labels as a graph takes them."""
        self._check_open()
        z = without_unit_axes(z)
        if z.ndim != 2 or z.shape[1] != self.spec.latent_size:
            raise UsageError(f"latents have shape {z.shape}", f"this generator takes (N, {self.spec.latent_size})")
        if not np.isfinite(z).all():
            raise UsageError("latents hold NaN or infinity", "every component must be a finite number")
        return np.ascontiguousarray(z, np.float32), self._checked(label, len(z))

    def _checked(self, label: npt.NDArray[np.int64] | None, n: int) -> npt.NDArray[np.int64] | None:
        """Labels for n pictures as the graph takes them."""
        classes = self.spec.classes
        if classes is None:
            if label is not None:
                raise no_classes("a label is given", self.spec.name)
            return None
        if label is None:
            missing = f"{self.spec.name} draws {len(classes)} classes, and no label was given"
            raise UsageError(missing, f"give {n}, each 0 to {len(classes) - 1}")
        label = np.asarray(label)
        if label.shape != (n,) or label.dtype.kind not in "iu":
            raise UsageError(f"label is {label.dtype} {label.shape}", f"it must be int64 ({n},), one for each latent")
        for wrong in label[(label < 0) | (label >= len(classes))][:1]:
            raise UsageError(f"label {wrong} is outside 0..{len(classes) - 1}", f"classes: {', '.join(classes)}")
        return np.ascontiguousarray(label, np.int64)

    def _labels(self, stream: Iterator[int] | None, seeds: Sequence[int]) -> npt.NDArray[np.int64] | None:
        classes = self.spec.classes
        if classes is None:
            if stream is not None:
                raise no_classes("labels are given", self.spec.name, "leave them out")
            return None
        chunk = list(islice(stream, len(seeds)) if stream is not None else labels_for(seeds, classes) or ())
        if len(chunk) < len(seeds):
            raise UsageError("there are fewer labels than seeds", "give one label per seed")
        return np.array(chunk)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.spec.height, self.spec.width, self.spec.channels

    def close(self) -> None:
        self._closed = True
        self.runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
