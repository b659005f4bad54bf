"""Contact sheet: seeds 0 to 99 at a glance."""

from typing import Any

import gradio as gr

from demo.drawing import Wish, draw
from demo.texts import say
from demo.ui import Studio
from gansample.sampling.selection import Seeds

SEEDS = range(100)


class ContactSheet:
    """Builds the tab inside the Blocks that is open. Drawn when it is first looked at."""

    def __init__(self, studio: Studio, tab: gr.Tab) -> None:
        self._studio = studio
        gr.Markdown(say("contact_info"), elem_classes=["note"])
        self.report = gr.Markdown(elem_classes=["report"])
        self.gallery = studio.gallery("contact")
        tab.select(
            self.sheet, studio.bundle, [self.gallery, self.report], api_name="sheet", **studio.one_at_a_time(self.report)
        )

    def sheet(self, bundle: str) -> tuple[Any, str]:
        """Seeds 0 to 99 of the bundle."""
        with self._studio.answering():
            drawing = draw(
                Wish(bundle=bundle),
                lambda space: Seeds([SEEDS], space),
                self._studio.shelf,
                self._studio.album,
                most=len(SEEDS),
            )
        return self._studio.hung(drawing, bundle), drawing.report
