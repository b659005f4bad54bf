"""About: what the bundle says of itself."""

import json
from typing import Any

import gradio as gr

from demo.studio import Studio
from demo.words import say
from gansample.info import describe_bundle

CARD = "README.md"
MAX_CARD = 64 << 10  # bytes: a card is a page


class About:
    """Builds the tab inside the Blocks that is open."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.card = gr.Markdown(elem_id="card", sanitize_html=True)
        gr.Markdown(say("previews"), elem_classes=["note"])
        with gr.Accordion(say("receipts"), open=False):
            self.receipts = gr.JSON(show_label=False, elem_id="receipts")

    def read(self, bundle: str) -> tuple[str, Any]:
        """The model card, and variants with their receipts and provenance."""
        with self._studio.answering():
            opened = self._studio.shelf.bundle(bundle)
            facts = describe_bundle(opened)
        for private in ("path", "files"):  # folders of this machine are nobody's business
            facts.pop(private)
        try:
            text = (opened.path / CARD).read_bytes()[:MAX_CARD].decode(errors="replace")
        except OSError:
            text = f"# {opened.spec.name}"
        return _without_front_matter(text), json.loads(json.dumps(facts))


def _without_front_matter(text: str) -> str:
    if text.startswith("---\n"):
        _, _, text = text.removeprefix("---\n").partition("\n---\n")
    return text
