"""Fidelity: the pictures that PyTorch drew, what every engine draws on this machine, and how far apart they are."""

from typing import Any

import gradio as gr
import numpy as np

from demo.draw import Drawing
from demo.studio import Studio
from demo.words import say
from gansample.errors import BackendUnavailable
from gansample.fidelity import GATES, Fidelity
from gansample.goldens import Goldens, read_goldens
from gansample.png import encode_png
from gansample.runners import open_runner
from gansample.spec import Variant
from gansample.verify import check_runner

SHOWN = 8  # goldens in the gallery
AMPLIFIED = 32  # one 8-bit step becomes visible


class FidelityTab:
    """Builds the tab inside the Blocks that is open."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        gr.Markdown(say("fidelity_info"), elem_classes=["note"])
        button = gr.Button(say("check"), elem_id="check", scale=0)
        self.table = gr.Markdown(elem_id="verdicts")
        self.gallery = studio.gallery("differences")
        button.click(
            self.check, studio.bundle, [self.table, self.gallery], api_name="check", **studio.one_at_a_time(self.table)
        )

    def check(self, bundle: str, progress: gr.Progress = gr.Progress()) -> tuple[str, Any]:  # noqa: B008 - Gradio's way
        """Draw the goldens with every engine that can run here, and judge them by the gates of the export."""
        with self._studio.answering():
            opened = self._studio.shelf.bundle(bundle)
            goldens = read_goldens(opened)
            rows = ["| | at export | here | PSNR | max | identical | needed |", "|---|---|---|---:|---:|---:|---|"]
            files: dict[str, bytes] = {}
            captions: list[str] = []
            for done, variant in enumerate(opened.variants):
                progress((done, len(opened.variants)), desc=variant.name)
                exported = variant.parity.get("verdict", "NOT RUN")
                try:
                    runner = open_runner(opened, variant=variant.name)
                except BackendUnavailable as reason:
                    rows.append(f"| {variant.name} | {exported} | NOT RUN: {_plain(str(reason))} | | | | |")
                    continue
                with runner:
                    check = check_runner(runner, goldens, variant)
                    drawn = runner.run(goldens.z[:SHOWN], goldens.label[:SHOWN] if goldens.label is not None else None)
                rows.append(_row(variant, exported, check.verdict, check.worst))
                for name, image in _rows_of(goldens, drawn, variant.name).items():
                    files[name] = encode_png(image)
                    captions.append(name.removesuffix(".png"))
            paths = self._studio.album.keep(files)
        pictures = list(zip(paths, captions, strict=True))
        return "\n".join(rows), self._studio.hung(Drawing(pictures=pictures, report=""), bundle)


def _row(variant: Variant, exported: str, verdict: str, seen: Fidelity | None) -> str:
    if seen is None:
        return f"| {variant.name} | {exported} | {verdict} | | | | |"
    decibels = "∞" if np.isinf(seen.psnr_db) else f"{seen.psnr_db:.1f} dB"
    figures = f"{decibels} | {seen.max_step:.0f} | {seen.identical:.3%}"
    return f"| {variant.name} | {exported} | **{verdict}** | {figures} | {GATES[variant.precision].describe()} |"


def _rows_of(goldens: Goldens, drawn: np.ndarray, variant: str) -> dict[str, np.ndarray]:
    """Three strips: what PyTorch drew, what was drawn here, and their difference times AMPLIFIED."""
    golden = goldens.images[:SHOWN]
    difference = np.clip(np.abs(golden.astype(np.int16) - drawn) * AMPLIFIED, 0, 255).astype(np.uint8)
    if golden.shape[-1] in (2, 4):
        difference[..., -1] = 255
    strips = {"PyTorch float64": golden, variant: drawn, f"{variant}, difference x {AMPLIFIED}": difference}
    return {f"{name}.png": np.concatenate(list(images), axis=1) for name, images in strips.items()}


def _plain(text: str) -> str:
    """Text from a runtime as a table cell."""
    return text.replace("|", "/").replace("\n", " ").replace("<", "‹")
