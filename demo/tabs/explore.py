"""Explore: neighbours of a picture, interpolation, latent arithmetic; with the class, truncation and psi of Generate."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from demo.drawing import EVERY_CLASS, DrawSettings, draw_images, interpolate, latent_arithmetic, neighbours
from demo.tabs.generate import Generate
from demo.texts import localized
from demo.ui import Ui, seed_input
from demo.video import FORMATS, FRAMES, render_video

STEPS = 100  # of the slider


class Explore:
    """Builds the tab inside the open Blocks. Drawn when it is first selected."""

    def __init__(self, ui: Ui, generate: Generate, tab: gr.Tab) -> None:
        self._ui = ui
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(localized("neighbours"), elem_classes=["heading"])
                gr.Markdown(localized("neighbours_info"), elem_classes=["note"])
                self.centre = seed_input(0, "centre", "centre")
                self.radius = gr.Slider(0.05, 1, 0.3, step=0.05, label=localized("radius"), buttons=[], elem_id="radius")
                vary = gr.Button(localized("vary"), elem_id="vary")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                self.report = gr.Markdown(elem_classes=["report"])
                self.around = ui.gallery("neighbours")
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(localized("morph"), elem_classes=["heading"])
                gr.Markdown(localized("morph_info"), elem_classes=["note"])
                with gr.Row():
                    self.start = seed_input(0, "from", "from")
                    self.end = seed_input(1, "to", "to")
                self.share = gr.Slider(
                    0, STEPS, STEPS // 2, step=1, precision=0, label=localized("way"), buttons=[], elem_id="way"
                )  # fmt: skip
                form = gr.Radio(FORMATS, value=FORMATS[0], label=localized("film_form"), elem_id="film-form")
                make = gr.Button(localized("film"), elem_id="film")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                self.between = ui.gallery("between", few=True)
                with gr.Row(elem_id="film-row", visible=False) as row:
                    player = gr.HTML(elem_id="film-player", padding=False)
                    file = gr.File(label=localized("film_file"), interactive=False, elem_id="film-file", min_width=200)
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(localized("mix"), elem_classes=["heading"])
                gr.Markdown(localized("mix_info"), elem_classes=["note"])
                text = gr.Textbox("3+9-4", label=localized("mix_seeds"), elem_id="sum", max_length=200)
                add = gr.Button(localized("add"), elem_id="add")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                total = ui.gallery("total", few=True)

        how = [generate.label, generate.truncation, generate.psi]
        self.near_inputs = [ui.bundle, self.centre, self.radius, *how]
        self.way_inputs = [ui.bundle, self.start, self.end, self.share, *how]
        one = ui.one_at_a_time(self.report)
        gr.on(
            [vary.click, self.centre.submit, self.radius.release, tab.select],
            self.neighbours,
            self.near_inputs,
            [self.around, self.report],
            api_name="neighbours",
            **one,
        )
        gr.on(
            [self.share.release, self.start.submit, self.end.submit, tab.select],
            self.morph,
            self.way_inputs,
            self.between,
            api_name="morph",
            **ui.one_at_a_time(self.between),
        )
        make.click(
            self.make_video, [ui.bundle, self.start, self.end, form, *how], [file, player, row], api_name="film",
            **ui.one_at_a_time(self.between),
        )  # fmt: skip
        gr.on(
            [add.click, text.submit, tab.select], self.mix, [ui.bundle, text, *how], total, api_name="mix",
            **ui.one_at_a_time(total),
        )  # fmt: skip

    def neighbours(
        self,
        bundle: str,
        seed: float | None,
        radius: float,
        label: str = EVERY_CLASS,
        truncation: float = 0.0,
        psi: float = 1.0,
    ) -> tuple[Any, str]:
        """Eleven variations of the picture of `seed`; radius 0.05 stays close, 1 is any picture."""
        with self._ui.errors_shown():
            settings = DrawSettings(bundle=bundle, label=label, truncation=truncation, psi=psi)
            result = draw_images(settings, neighbours(seed, radius), self._ui.bundle_store, self._ui.image_store)
        return self._ui.gallery_value(result, bundle), result.report

    def morph(
        self,
        bundle: str,
        start: float | None,
        end: float | None,
        share: int,
        label: str = EVERY_CLASS,
        truncation: float = 0.0,
        psi: float = 1.0,
    ) -> Any:
        """The first picture, the one at `share` percent of the way to the last, and the last."""
        with self._ui.errors_shown():
            settings = DrawSettings(bundle=bundle, label=label, truncation=truncation, psi=psi)
            middle = min(max(int(share), 1), STEPS - 1)
            selection = interpolate(start, end, STEPS)
            result = draw_images(settings, selection, self._ui.bundle_store, self._ui.image_store, positions=(0, middle, STEPS))
        return self._ui.gallery_value(result, bundle)

    def make_video(
        self,
        bundle: str,
        start: float | None,
        end: float | None,
        form: str,
        label: str = EVERY_CLASS,
        truncation: float = 0.0,
        psi: float = 1.0,
    ) -> tuple[str, str, Any]:
        """The interpolation in 49 frames, as "mp4" or "gif". Returns the file, and HTML that plays it."""
        with self._ui.errors_shown():
            settings = DrawSettings(bundle=bundle, label=label, truncation=truncation, psi=psi)
            path = render_video(settings, interpolate(start, end, FRAMES), form, self._ui.bundle_store, self._ui.image_store)
        return str(path), _player_html(path, f"{start} → {end}"), gr.Row(visible=True)

    def mix(self, bundle: str, text: str, label: str = EVERY_CLASS, truncation: float = 0.0, psi: float = 1.0) -> Any:
        """Sums of latents, such as 3+9-4; several, separated by commas, give several pictures."""
        with self._ui.errors_shown():
            settings = DrawSettings(bundle=bundle, label=label, truncation=truncation, psi=psi)
            result = draw_images(settings, latent_arithmetic(text), self._ui.bundle_store, self._ui.image_store)
        return self._ui.gallery_value(result, bundle)


def _player_html(path: Path, title: str) -> str:
    """HTML that plays the file, by a relative address: behind a proxy or a tunnel the absolute one differs."""
    source = f"gradio_api/file={escape(str(path), quote=True)}"
    if path.suffix == ".gif":
        return f'<img src="{source}" alt="{escape(title)}">'
    return f'<video src="{source}" aria-label="{escape(title)}" autoplay loop muted playsinline controls></video>'
