"""Generate: a generator, a class, a seed; and pictures."""

from typing import Any

import gradio as gr

from demo.drawing import EVERY_CLASS, MAX_PICTURES, Wish, draw, roll, seeds_from
from demo.texts import say
from demo.ui import Studio
from gansample.latents import SEED_END

FIRST_SEED, FIRST_COUNT = 0, 24
PRECISIONS = ("exact", "fast")

# Keeps the address in step with the view, and gives it: whoever copies it sends what is seen.
_ADDRESS = """(bundle, label, seed, count, truncation, precision) => {
  const query = new URLSearchParams({bundle, seed, n: count});
  if (label !== "each in turn") query.set("class", label);
  if (truncation) query.set("truncation", truncation);
  if (precision !== "exact") query.set("precision", precision);
  history.replaceState(null, "", "?" + query);
  return location.href;
}"""


class Generate:
    """Builds the tab inside the Blocks that is open."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        with gr.Row(elem_classes=["desk"]):
            with gr.Column(elem_classes=["controls"], min_width=280):
                self.label = gr.Dropdown(
                    studio.every_label(), value=EVERY_CLASS, label=say("class"), filterable=False, elem_id="class",
                    visible=bool(studio.classes(studio.first)),
                )  # fmt: skip
                with gr.Row(elem_id="seed-row", equal_height=True):
                    self.seed = gr.Number(
                        FIRST_SEED, label=say("seed"), precision=0, minimum=0, maximum=SEED_END - 1, elem_id="seed",
                        min_width=80,
                    )  # fmt: skip
                    dice = gr.Button(say("roll"), elem_id="dice", min_width=64, scale=0)
                    back = gr.Button(say("back"), elem_id="back", min_width=64, scale=0)
                self.count = gr.Slider(
                    1, MAX_PICTURES, FIRST_COUNT, step=1, precision=0, label=say("pictures"), buttons=[], elem_id="count"
                )
                self.truncation = gr.Slider(
                    0, 3, 0, step=0.1, label=say("truncation"), info=say("truncation_info"), buttons=[], elem_id="truncation"
                )
                self.precision = gr.Radio(
                    [(say(name), name) for name in PRECISIONS],
                    value="exact",
                    label=say("precision"),
                    info=say("precision_info"),
                    elem_id="precision",
                )
                button = gr.Button(say("draw"), variant="primary", elem_id="draw")
            with gr.Column(elem_classes=["sheet"], min_width=300):
                self.report = gr.Markdown(elem_id="report")
                self.gallery = studio.gallery("gallery")
                gr.Markdown(say("hint"), elem_classes=["note"])
                self.link = gr.Textbox(
                    label=say("link"), interactive=False, buttons=["copy"], elem_id="link", max_lines=1, lines=1
                )
        self.used = gr.State([FIRST_SEED])
        self.inputs = [studio.bundle, self.label, self.seed, self.count, self.truncation, self.precision]

        events: Any = [button.click, self.seed.submit, self.count.release, self.truncation.release]
        drawn = gr.on(
            [*events, self.label.input, self.precision.input],
            self.generate,
            self.inputs,
            [self.gallery, self.report],
            api_name="generate",
            **studio.one_at_a_time(self.report),
        )
        self.address(drawn)
        self.address(
            dice.click(
                self.surprise, [*self.inputs, self.used], [self.seed, self.gallery, self.report, self.used],
                api_name="surprise", **studio.one_at_a_time(self.report),
            )
        )  # fmt: skip
        self.address(
            back.click(
                self.last_used, [*self.inputs, self.used], [self.seed, self.gallery, self.report, self.used],
                api_name="last_used", **studio.one_at_a_time(self.report),
            )
        )  # fmt: skip

    def address(self, event: Any) -> None:
        event.then(None, self.inputs, self.link, js=_ADDRESS, api_visibility="private")

    def generate(
        self, bundle: str, label: str, seed: int | None, count: int, truncation: float = 0.0, precision: str = "exact"
    ) -> tuple[Any, str]:
        """Draw `count` pictures (1 to 64) of consecutive seeds, the first one `seed` (0 to 4294967295).

        `label` is a class of the bundle, or "each in turn"; truncation 0 is off; precision is "exact" or "fast". Returns PNG
        files with captions, and how many, how fast, on what.
        """
        with self._studio.answering():
            wish = Wish(bundle=bundle, label=label, truncation=truncation, precision=precision)
            drawing = draw(wish, seeds_from(seed, count), self._studio.shelf, self._studio.album)
        return self._studio.hung(drawing, bundle), drawing.report

    def surprise(
        self, bundle: str, label: str, seed: int | None, count: int, truncation: float, precision: str, used: list[int]
    ) -> tuple[int, Any, str, list[int]]:
        """Roll the dice for a seed and draw from it. Returns the seed, PNG files with captions, and how it was drawn."""
        fresh = roll()
        kept = [*(used or []), seed if seed is not None else FIRST_SEED][-50:]
        return fresh, *self.generate(bundle, label, fresh, count, truncation, precision), kept

    def last_used(
        self, bundle: str, label: str, seed: int | None, count: int, truncation: float, precision: str, used: list[int]
    ) -> tuple[int, Any, str, list[int]]:
        """Go back to the seed before the last roll."""
        before = used[-1] if used else FIRST_SEED
        return before, *self.generate(bundle, label, before, count, truncation, precision), list(used or [])[:-1]
