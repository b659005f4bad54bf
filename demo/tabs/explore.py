"""Explore: around a picture, from one to another, and sums of them, in the class and truncation that Generate has."""

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from demo.drawing import EVERY_CLASS, Wish, draw, neighbours_of, sum_of, way_between
from demo.tabs.generate import Generate
from demo.texts import say
from demo.ui import Studio
from demo.video import FORMS, FRAMES, film
from gansample.latents import SEED_END

STEPS = 100  # of the slider


class Explore:
    """Builds the tab inside the Blocks that is open. Drawn when it is first looked at."""

    def __init__(self, studio: Studio, generate: Generate, tab: gr.Tab) -> None:
        self._studio = studio
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(say("neighbours"), elem_classes=["heading"])
                gr.Markdown(say("neighbours_info"), elem_classes=["note"])
                self.centre = _seed(0, "centre", "centre")
                self.radius = gr.Slider(0.05, 1, 0.3, step=0.05, label=say("radius"), buttons=[], elem_id="radius")
                vary = gr.Button(say("vary"), elem_id="vary")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                self.report = gr.Markdown(elem_classes=["report"])
                self.around = studio.gallery("neighbours")
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(say("morph"), elem_classes=["heading"])
                gr.Markdown(say("morph_info"), elem_classes=["note"])
                with gr.Row():
                    self.start = _seed(0, "from", "from")
                    self.end = _seed(1, "to", "to")
                self.share = gr.Slider(
                    0, STEPS, STEPS // 2, step=1, precision=0, label=say("way"), buttons=[], elem_id="way"
                )  # fmt: skip
                form = gr.Radio(FORMS, value=FORMS[0], label=say("film_form"), elem_id="film-form")
                make = gr.Button(say("film"), elem_id="film")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                self.between = studio.gallery("between", few=True)
                with gr.Row(elem_id="film-row", visible=False) as row:
                    player = gr.HTML(elem_id="film-player", padding=False)
                    file = gr.File(label=say("film_file"), interactive=False, elem_id="film-file", min_width=200)
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(say("mix"), elem_classes=["heading"])
                gr.Markdown(say("mix_info"), elem_classes=["note"])
                text = gr.Textbox("3+9-4", label=say("mix_seeds"), elem_id="sum", max_length=200)
                add = gr.Button(say("add"), elem_id="add")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                total = studio.gallery("total", few=True)

        how = [generate.label, generate.truncation]
        self.near_inputs = [studio.bundle, self.centre, self.radius, *how]
        self.way_inputs = [studio.bundle, self.start, self.end, self.share, *how]
        one = studio.one_at_a_time(self.report)
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
            **studio.one_at_a_time(self.between),
        )
        make.click(
            self.film, [studio.bundle, self.start, self.end, form, *how], [file, player, row], api_name="film",
            **studio.one_at_a_time(self.between),
        )  # fmt: skip
        gr.on(
            [add.click, text.submit, tab.select], self.mix, [studio.bundle, text, *how], total, api_name="mix",
            **studio.one_at_a_time(total),
        )  # fmt: skip

    def neighbours(
        self, bundle: str, seed: int | None, radius: float, label: str = EVERY_CLASS, truncation: float = 0.0
    ) -> tuple[Any, str]:
        """Eleven variations of the picture of `seed`; radius 0.05 stays near, 1 is any picture."""
        with self._studio.answering():
            wish = Wish(bundle=bundle, label=label, truncation=truncation)
            drawing = draw(wish, neighbours_of(seed, radius), self._studio.shelf, self._studio.album)
        return self._studio.hung(drawing, bundle), drawing.report

    def morph(
        self, bundle: str, start: int | None, end: int | None, share: int, label: str = EVERY_CLASS, truncation: float = 0.0
    ) -> Any:
        """The first picture, the one at `share` percent of the way to the last, and the last."""
        with self._studio.answering():
            wish = Wish(bundle=bundle, label=label, truncation=truncation)
            middle = min(max(int(share), 1), STEPS - 1)
            select = way_between(start, end, STEPS)
            drawing = draw(wish, select, self._studio.shelf, self._studio.album, positions=(0, middle, STEPS))
        return self._studio.hung(drawing, bundle)

    def film(
        self, bundle: str, start: int | None, end: int | None, form: str, label: str = EVERY_CLASS, truncation: float = 0.0
    ) -> tuple[str, str, Any]:
        """The whole way in 49 frames, as "mp4" or "gif". Returns the file, and HTML that plays it."""
        with self._studio.answering():
            wish = Wish(bundle=bundle, label=label, truncation=truncation)
            path = film(wish, way_between(start, end, FRAMES), form, self._studio.shelf, self._studio.album)
        return str(path), _player(path, f"{start} → {end}"), gr.Row(visible=True)

    def mix(self, bundle: str, text: str, label: str = EVERY_CLASS, truncation: float = 0.0) -> Any:
        """Sums of latents, such as 3+9-4; several, separated by commas, give several pictures."""
        with self._studio.answering():
            wish = Wish(bundle=bundle, label=label, truncation=truncation)
            drawing = draw(wish, sum_of(text), self._studio.shelf, self._studio.album)
        return self._studio.hung(drawing, bundle)


def _seed(value: int, words: str, elem_id: str) -> gr.Number:
    return gr.Number(value, label=say(words), precision=0, minimum=0, maximum=SEED_END - 1, elem_id=elem_id, min_width=110)


def _player(path: Path, what: str) -> str:
    """The film in the page, from an address relative to it: behind a proxy or a tunnel it is another one."""
    source = f"gradio_api/file={escape(str(path), quote=True)}"
    if path.suffix == ".gif":
        return f'<img src="{source}" alt="{escape(what)}">'
    return f'<video src="{source}" aria-label="{escape(what)}" autoplay loop muted playsinline controls></video>'
