"""Fidelity: the goldens drawn by the reference, the same drawn by every engine on this machine, and the differences."""

import re
from typing import Any

import gradio as gr
import numpy as np

from demo.drawing import DrawResult
from demo.texts import localized
from demo.ui import Ui
from gansample.bundle.basis import format_basis, verdict_line
from gansample.bundle.fidelity import GATES
from gansample.bundle.goldens import Goldens, read_goldens
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable, ParityError
from gansample.outputs.png import encode_png
from gansample.runtimes.open import open_runner
from gansample.sampling.verify import check_runner, engines_to_check
from gansample.types import Images

SHOWN = 8  # goldens in the gallery
AMPLIFIED = 32  # one 8-bit step becomes visible


class FidelityTab:
    """Builds the tab inside the open Blocks."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        gr.Markdown(localized("fidelity_info"), elem_classes=["note"])
        button = gr.Button(localized("check"), elem_id="check", scale=0)
        self.table = gr.Markdown(elem_id="verdicts")
        self.gallery = ui.gallery("differences")
        button.click(self.check, ui.bundle, [self.table, self.gallery], api_name="check", **ui.one_at_a_time(self.table))

    def check(self, bundle: str, progress: gr.Progress = gr.Progress()) -> tuple[str, Any]:  # noqa: B008 - how Gradio injects it
        """Draw the goldens with every engine that can run here, and judge them by the gates of the export."""
        with self._ui.errors_shown():
            opened = self._ui.bundle_store.bundle(bundle)
            goldens = read_goldens(opened)
            rows = ["| engine | at export | here | PSNR | max | identical | needed |", "|---|---|---|---:|---:|---:|---|"]
            strips = {opened.reference: _strip(goldens.images[:SHOWN])}
            engines = engines_to_check(opened)
            for done, (variant, backend) in enumerate(engines):
                own_runtime = backend == variant.runtime  # where the export checked it
                name = variant.name if own_runtime else f"{variant.name} · {backend}"
                progress((done, len(engines)), desc=name)
                row, drawn = _check_engine(opened, variant, backend, goldens)
                exported = (
                    verdict_line(variant.parity.get("verdict", "NOT RUN"), opened.spec.basis, variant.parity)
                    if own_runtime
                    else "NOT RUN"
                )
                rows.append(f"| {name} | {exported} | {row} |")
                if drawn is not None:
                    strips[name] = _strip(drawn)
                    strips[f"{name}, difference × {AMPLIFIED}"] = _strip(_difference(goldens.images[:SHOWN], drawn))
            paths = self._ui.image_store.keep({f"strip{k}.png": strip for k, strip in enumerate(strips.values())})
        pictures = list(zip(paths, strips, strict=True))
        rows += ["", *(f"- {_table_cell(line)}" for line in format_basis(opened.spec.basis))]
        return "\n".join(rows), self._ui.gallery_value(DrawResult(pictures=pictures, report=""), bundle)


def _check_engine(bundle: Bundle, variant: Variant, backend: str, goldens: Goldens) -> tuple[str, Images | None]:
    """Table cells with the verdict and its figures, and the first SHOWN pictures if the engine runs here."""
    try:
        runner = open_runner(bundle, backend, variant)
    except BackendUnavailable as reason:
        return f"NOT RUN: {_table_cell(reason.message)} | | | |", None
    except ParityError as failure:
        return f"**FAIL**: {_table_cell(failure)} | | | |", None
    with runner:
        check = check_runner(runner, goldens, variant)
        drawn = runner.run(*goldens.first(SHOWN).inputs(runner))
    if (seen := check.worst) is None:
        return f"{check.verdict} | | | |", drawn
    decibels = "∞" if np.isinf(seen.psnr_db) else f"{seen.psnr_db:.1f} dB"
    figures = f"{decibels} | {seen.max_step:.0f} | {seen.identical:.3%}"
    return f"**{check.verdict}** | {figures} | {GATES[variant.precision].describe()}", drawn


def _difference(golden: Images, drawn: Images) -> Images:
    difference: Images = np.clip(np.abs(golden.astype(np.int16) - drawn) * AMPLIFIED, 0, 255).astype(np.uint8)
    if golden.shape[-1] in (2, 4):
        difference[..., -1] = 255  # equal alpha would make the difference transparent instead of black
    return difference


def _strip(images: Images) -> bytes:
    """Pictures side by side, as a PNG."""
    return encode_png(np.concatenate(list(images), axis=1))


def _table_cell(reason: Exception | str) -> str:
    """An error as a table cell, without folder names of this machine."""
    text = re.sub(r"(?<![\w.])/[^\s:;,)]+/", "…/", str(reason))
    return text.replace("|", "/").replace("\n", " ").replace("<", "‹")
