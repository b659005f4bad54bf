"""Fidelity: the pictures that PyTorch drew, what every engine draws on this machine, and how far apart they are."""

import re
from typing import Any

import gradio as gr
import numpy as np

from demo.drawing import Drawing
from demo.texts import say
from demo.ui import Studio
from gansample.bundle.fidelity import GATES
from gansample.bundle.goldens import Goldens, read_goldens
from gansample.bundle.open import Bundle
from gansample.bundle.spec import Variant
from gansample.errors import BackendUnavailable, ParityError
from gansample.outputs.png import encode_png
from gansample.runtimes import GPU_BACKENDS, open_runner
from gansample.sampling.verify import check_runner
from gansample.types import Images

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
            rows = ["| engine | at export | here | PSNR | max | identical | needed |", "|---|---|---|---:|---:|---:|---|"]
            strips = {"PyTorch float64": _strip(goldens.images[:SHOWN])}
            tried = _engines(opened)
            for done, (variant, backend) in enumerate(tried):
                name = variant.name if backend == "auto" else f"{variant.name} · {backend}"
                progress((done, len(tried)), desc=name)
                row, drawn = _tried(opened, variant, backend, goldens)
                exported = variant.parity.get("verdict") if backend == "auto" else None  # its receipts are of its own runtime
                rows.append(f"| {name} | {exported or 'NOT RUN'} | {row} |")
                if drawn is not None:
                    strips[name] = _strip(drawn)
                    strips[f"{name}, difference × {AMPLIFIED}"] = _strip(_difference(goldens.images[:SHOWN], drawn))
            paths = self._studio.album.keep({f"strip{k}.png": strip for k, strip in enumerate(strips.values())})
        pictures = list(zip(paths, strips, strict=True))
        return "\n".join(rows), self._studio.hung(Drawing(pictures=pictures, report=""), bundle)


def _engines(bundle: Bundle) -> list[tuple[Variant, str]]:
    """Every variant as the bundle means it, then the ONNX ones on a GPU: what `gan verify` goes through."""
    on_gpu = [(variant, backend) for backend in GPU_BACKENDS for variant in bundle.variants if variant.runtime == "onnxruntime"]
    return [*((variant, "auto") for variant in bundle.variants), *on_gpu]


def _tried(bundle: Bundle, variant: Variant, backend: str, goldens: Goldens) -> tuple[str, Images | None]:
    """The verdict with its figures as cells of the table, and the first SHOWN pictures where it can run here."""
    try:
        runner = open_runner(bundle, backend, variant=variant.name)
    except BackendUnavailable as reason:
        return f"NOT RUN: {_plain(reason)} | | | |", None
    except ParityError as failure:
        return f"**FAIL**: {_plain(failure)} | | | |", None
    with runner:
        check = check_runner(runner, goldens, variant)
        drawn = runner.run(goldens.z[:SHOWN], goldens.label[:SHOWN] if goldens.label is not None else None)
    if (seen := check.worst) is None:
        return f"{check.verdict} | | | |", drawn
    decibels = "∞" if np.isinf(seen.psnr_db) else f"{seen.psnr_db:.1f} dB"
    figures = f"{decibels} | {seen.max_step:.0f} | {seen.identical:.3%}"
    return f"**{check.verdict}** | {figures} | {GATES[variant.precision].describe()}", drawn


def _difference(golden: Images, drawn: Images) -> Images:
    difference: Images = np.clip(np.abs(golden.astype(np.int16) - drawn) * AMPLIFIED, 0, 255).astype(np.uint8)
    if golden.shape[-1] in (2, 4):
        difference[..., -1] = 255  # where both are as transparent, the difference is black and not invisible
    return difference


def _strip(images: Images) -> bytes:
    """Pictures side by side, as a PNG."""
    return encode_png(np.concatenate(list(images), axis=1))


def _plain(reason: Exception) -> str:
    """What a runtime says as a table cell, without the folders of this machine."""
    text = re.sub(r"(?<![\w.])/[^\s:;,)]+/", "…/", str(reason))
    return text.replace("|", "/").replace("\n", " ").replace("<", "‹")
