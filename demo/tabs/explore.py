"""Explore: around a picture, from one to another, and sums of them."""

from typing import Any

import gradio as gr

from demo.draw import FILM_FRAMES, Wish, draw, film, neighbours_of, sum_of, way_between
from demo.studio import Studio
from demo.words import say
from gansample.latents import SEED_END

STEPS = 100  # of the slider


class Explore:
    """Builds the tab inside the Blocks that is open."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

        def number(value: int, words: str, elem_id: str) -> gr.Number:
            return gr.Number(
                value, label=say(words), precision=0, minimum=0, maximum=SEED_END - 1, elem_id=elem_id, min_width=110
            )

        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(say("neighbours"), elem_classes=["heading"])
                gr.Markdown(say("neighbours_info"), elem_classes=["note"])
                self.centre = number(0, "centre", "centre")
                radius = gr.Slider(0.05, 1, 0.3, step=0.05, label=say("radius"), buttons=[], elem_id="radius")
                vary = gr.Button(say("vary"), elem_id="vary")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                report = gr.Markdown(elem_classes=["report"])
                around = studio.gallery("neighbours")
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(say("morph"), elem_classes=["heading"])
                gr.Markdown(say("morph_info"), elem_classes=["note"])
                with gr.Row():
                    self.start = number(0, "from", "from")
                    self.end = number(1, "to", "to")
                share = gr.Slider(0, STEPS, STEPS // 2, step=1, precision=0, label=say("way"), buttons=[], elem_id="way")
                make = gr.Button(say("film"), elem_id="film")
                file = gr.File(label=say("film_file"), interactive=False, visible=False, elem_id="film-file")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                between = studio.gallery("between", few=True)
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                gr.Markdown(say("mix"), elem_classes=["heading"])
                gr.Markdown(say("mix_info"), elem_classes=["note"])
                text = gr.Textbox("3+9-4", label=say("mix_seeds"), elem_id="sum", max_length=200)
                add = gr.Button(say("add"), elem_id="add")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                total = studio.gallery("total", few=True)

        one = studio.one_at_a_time(report)
        gr.on(
            [vary.click, self.centre.submit, radius.release],
            self.neighbours,
            [studio.bundle, self.centre, radius],
            [around, report],
            api_name="neighbours",
            **one,
        )
        way = [studio.bundle, self.start, self.end]
        gr.on([share.release, self.start.submit, self.end.submit], self.morph, [*way, share], between, api_name="morph", **one)
        make.click(self.film, way, file, api_name="film", **one)
        gr.on([add.click, text.submit], self.mix, [studio.bundle, text], total, api_name="mix", **one)

    def neighbours(self, bundle: str, seed: int | None, radius: float) -> tuple[Any, str]:
        """Eleven variations of the picture of `seed`; radius 0.05 stays near, 1 is any picture."""
        with self._studio.answering():
            drawing = draw(Wish(bundle=bundle), neighbours_of(seed, radius), self._studio.shelf, self._studio.album)
        return self._studio.hung(drawing, bundle), drawing.report

    def morph(self, bundle: str, start: int | None, end: int | None, share: int) -> Any:
        """The first picture, the one at `share` percent of the way to the last, and the last."""
        with self._studio.answering():
            middle = min(max(int(share), 1), STEPS - 1)
            select = way_between(start, end, STEPS)
            drawing = draw(Wish(bundle=bundle), select, self._studio.shelf, self._studio.album, (0, middle, STEPS))
        return self._studio.hung(drawing, bundle)

    def film(self, bundle: str, start: int | None, end: int | None) -> Any:
        """The whole way as a GIF of 49 frames."""
        with self._studio.answering():
            select = way_between(start, end, FILM_FRAMES)
            path = film(Wish(bundle=bundle), select, self._studio.shelf, self._studio.album)
        return gr.File(value=str(path), visible=True)

    def mix(self, bundle: str, text: str) -> Any:
        """Sums of latents, such as 3+9-4; several, separated by commas, give several pictures."""
        with self._studio.answering():
            drawing = draw(Wish(bundle=bundle), sum_of(text), self._studio.shelf, self._studio.album)
        return self._studio.hung(drawing, bundle)
