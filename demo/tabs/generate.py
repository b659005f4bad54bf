"""Generate: pictures for a class and consecutive seeds."""

from contextlib import suppress
from typing import Any

import gradio as gr

from demo.address import UPDATE_ADDRESS
from demo.drawing import (
    EVERY_CLASS,
    FIRST_COUNT,
    FIRST_SEED,
    MAX_PICTURES,
    DrawSettings,
    check_seed,
    consecutive_seeds,
    draw_images,
    random_seed,
)
from demo.texts import localized
from demo.ui import Ui, seed_input
from gansample.bundle.style_mapping import MAX_PSI
from gansample.errors import UsageError
from gansample.sampling.options import PRECISIONS


class Generate:
    """Builds the tab inside the open Blocks."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                self.label = gr.Dropdown(
                    ui.all_labels(), value=EVERY_CLASS, label=localized("class"), filterable=False, elem_id="class",
                    visible=bool(ui.classes(ui.first)),
                )  # fmt: skip
                with gr.Row(elem_id="seed-row", equal_height=True):
                    self.seed = seed_input(FIRST_SEED, "seed", "seed", min_width=80)
                    dice = gr.Button(localized("roll"), elem_id="dice", min_width=64, scale=0)
                    back = gr.Button(localized("back"), elem_id="back", min_width=64, scale=0)
                self.count = gr.Slider(
                    1, MAX_PICTURES, FIRST_COUNT, step=1, label=localized("pictures"), buttons=[], elem_id="count"
                )
                self.truncation = gr.Slider(
                    0,
                    3,
                    0,
                    step=0.1,
                    label=localized("truncation"),
                    info=localized("truncation_info"),
                    buttons=[],
                    elem_id="truncation",
                )
                self.psi = gr.Slider(
                    -MAX_PSI, MAX_PSI, 1, step=0.1, label=localized("psi"), info=localized("psi_info"), buttons=[],
                    elem_id="psi", visible=ui.has_mapping(ui.first),
                )  # fmt: skip
                self.precision = gr.Radio(
                    [(localized(name), name) for name in PRECISIONS],
                    value="exact",
                    label=localized("precision"),
                    info=localized("precision_info"),
                    elem_id="precision",
                )
                button = gr.Button(localized("draw"), variant="primary", elem_id="draw")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                self.report = gr.Markdown(elem_id="report")
                self.gallery = ui.gallery("gallery")
                gr.Markdown(localized("hint"), elem_classes=["note"])
                self.link = gr.Textbox(
                    label=localized("link"), interactive=False, buttons=["copy"], elem_id="link", max_lines=1, lines=1
                )
        self.used = gr.State([FIRST_SEED])
        self.inputs = [ui.bundle, self.label, self.seed, self.count, self.truncation, self.precision, self.psi]

        events: Any = [button.click, self.seed.submit, self.count.release, self.truncation.release, self.psi.release]
        drawn = gr.on(
            [*events, self.label.input, self.precision.input],
            self.generate,
            self.inputs,
            [self.gallery, self.report],
            api_name="generate",
            **ui.one_at_a_time(self.report),
        )
        self.update_address(drawn)
        self.update_address(
            dice.click(
                self.surprise, [*self.inputs, self.used], [self.seed, self.gallery, self.report, self.used],
                api_name="surprise", **ui.one_at_a_time(self.report),
            )
        )  # fmt: skip
        self.update_address(
            back.click(
                self.last_used, [*self.inputs, self.used], [self.seed, self.gallery, self.report, self.used],
                api_name="last_used", **ui.one_at_a_time(self.report),
            )
        )  # fmt: skip

    def update_address(self, event: Any) -> None:
        event.then(None, self.inputs, self.link, js=UPDATE_ADDRESS, api_visibility="private")

    def generate(
        self,
        bundle: str,
        label: str,
        seed: float | None,
        count: float,
        truncation: float = 0.0,
        precision: str = "exact",
        psi: float = 1.0,
    ) -> tuple[Any, str]:
        """Draw `count` pictures (1 to 64) of consecutive seeds, the first one `seed` (0 to 4294967295).

        `label` is a class of the bundle, or "each in turn"; truncation 0 is off; precision is "exact" or "fast"; psi 1 is
        off, and of generators with a mapping only. Returns PNG files with captions, and a line with count, time and engine.
        """
        with self._ui.errors_shown():
            settings = DrawSettings(bundle=bundle, label=label, truncation=truncation, precision=precision, psi=psi)
            result = draw_images(settings, consecutive_seeds(seed, count), self._ui.bundle_store, self._ui.image_store)
        return self._ui.gallery_value(result, bundle), result.report

    def surprise(
        self,
        bundle: str,
        label: str,
        seed: float | None,
        count: float,
        truncation: float,
        precision: str,
        psi: float,
        used: list[int],
    ) -> tuple[int, Any, str, list[int]]:
        """Draw from a random seed. Returns the seed, PNG files with captions, and how it was drawn."""
        fresh = random_seed()
        history = list(used or [])
        with suppress(UsageError):  # what was typed is no seed: there is nothing to go back to
            history.append(check_seed(seed))
        return fresh, *self.generate(bundle, label, fresh, count, truncation, precision, psi), history[-50:]

    def last_used(
        self,
        bundle: str,
        label: str,
        seed: float | None,
        count: float,
        truncation: float,
        precision: str,
        psi: float,
        used: list[int],
    ) -> tuple[int, Any, str, list[int]]:
        """Go back to the previous seed."""
        previous = used[-1] if used else FIRST_SEED
        return previous, *self.generate(bundle, label, previous, count, truncation, precision, psi), list(used or [])[:-1]
