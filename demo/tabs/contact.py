"""Contact sheet: seeds 0 to 99 at a glance."""

from typing import Any

import gradio as gr

from demo.draw import MAX_PICTURES, Wish, draw
from demo.studio import Studio
from demo.words import say
from gansample.latents import LatentSpace
from gansample.selection import Seeds

SEEDS = range(100)


class ContactSheet:
    """Builds the tab inside the Blocks that is open. Drawn when it is first looked at."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        gr.Markdown(say("contact_info"), elem_classes=["note"])
        self.report = gr.Markdown(elem_classes=["report"])
        self.gallery = studio.gallery("contact")

    def sheet(self, bundle: str) -> tuple[Any, str]:
        """Seeds 0 to 99 of the bundle."""

        def select(space: LatentSpace) -> Seeds:
            return Seeds([SEEDS], space)

        with self._studio.answering():
            parts = [
                draw(Wish(bundle=bundle), select, self._studio.shelf, self._studio.album, part)
                for part in (SEEDS[:MAX_PICTURES], SEEDS[MAX_PICTURES:])
            ]
        pictures = [picture for part in parts for picture in part.pictures]
        return self._studio.hung(type(parts[0])(pictures=pictures, report=""), bundle), parts[0].report
