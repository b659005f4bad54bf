"""Contact sheet: seeds 0 to 99 at a glance."""

from typing import Any

import gradio as gr

from demo.drawing import DrawSettings, draw_images
from demo.texts import localized
from demo.ui import Ui
from gansample.sampling.options import SelectionOptions

COUNT = 100


class ContactSheet:
    """Builds the tab inside the open Blocks. Drawn when it is first selected."""

    def __init__(self, ui: Ui, tab: gr.Tab) -> None:
        self._ui = ui
        gr.Markdown(localized("contact_info"), elem_classes=["note"])
        self.report = gr.Markdown(elem_classes=["report"])
        self.gallery = ui.gallery("contact")
        tab.select(self.sheet, ui.bundle, [self.gallery, self.report], api_name="sheet", **ui.one_at_a_time(self.report))

    def sheet(self, bundle: str) -> tuple[Any, str]:
        """Seeds 0 to 99 of the bundle."""
        with self._ui.errors_shown():
            result = draw_images(
                DrawSettings(bundle=bundle),
                SelectionOptions(n=COUNT),
                self._ui.bundle_store,
                self._ui.image_store,
                limit=COUNT,
            )
        return self._ui.gallery_value(result, bundle), result.report
