"""About: the model card, the receipts, and previews from the training."""

import json
from typing import Any

import gradio as gr

from demo.drawing import DrawResult
from demo.model_card import read_card
from demo.previews import find_previews
from demo.texts import localized
from demo.ui import Ui
from gansample.cli.info import describe_bundle
from gansample.errors import ArtefactError


class About:
    """Builds the tab inside the open Blocks."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self.card = gr.Markdown(elem_id="card", sanitize_html=True)
        with gr.Column(visible=False) as self.learned:
            share = gr.Slider(0, 100, 100, step=1, precision=0, label=localized("learned"), buttons=[], elem_id="learned")
            self.preview = ui.gallery("preview", few=True)
        self.unknown = gr.Markdown(localized("previews"), elem_classes=["note"])
        with gr.Accordion(localized("receipts"), open=False):
            self.receipts = gr.JSON(show_label=False, elem_id="receipts")
        self.outputs = [self.card, self.receipts, self.preview, self.learned, self.unknown]
        share.release(self.scrub, [ui.bundle, share], self.preview, api_name="scrub", **ui.one_at_a_time(self.preview))

    def read(self, bundle: str) -> tuple[str, Any, Any, Any, Any]:
        """The model card; receipts of every variant and provenance; the last preview if the training run is on this machine."""
        with self._ui.errors_shown():
            opened = self._ui.bundle_store.bundle(bundle)
            facts = describe_bundle(opened)
        for private in ("path", "files"):  # not for visitors: folders of this machine
            facts.pop(private)
        known = bool(find_previews(opened, self._ui.bundle_store.runs))
        shown = self.scrub(bundle, 100) if known else None
        return (
            read_card(opened, self._ui.bundle_store.argument(bundle)),
            json.loads(json.dumps(facts)),
            shown,
            gr.Column(visible=known),
            gr.Markdown(visible=not known),
        )

    def scrub(self, bundle: str, share: int) -> Any:
        """What the generator drew after `share` percent of its training, for the same seeds; None if unknown."""
        with self._ui.errors_shown():
            previews = find_previews(self._ui.bundle_store.bundle(bundle), self._ui.bundle_store.runs)
            if not previews:
                return None
            last, _ = previews[-1]
            seen, path = min(previews, key=lambda preview: abs(preview[0] - last * share / 100))
            try:
                data = path.read_bytes()
            except OSError as error:
                raise ArtefactError(f"cannot read {path} ({error.strerror})", "train again") from error
            kept = self._ui.image_store.keep({path.name: data})
        return self._ui.gallery_value(DrawResult(pictures=[(kept[0], f"{seen:,} / {last:,}")], report=""), bundle)
