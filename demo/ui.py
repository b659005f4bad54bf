"""What all tabs share: the bundles, the album, the generator's dropdown, and the manners of every event."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from demo.bundle_store import Shelf
from demo.drawing import EVERY_CLASS, Drawing
from demo.image_store import Album
from demo.texts import say
from gansample.bundle.open import Bundle
from gansample.errors import GansampleError, UsageError

PIXEL_ART = 64  # pictures up to this many pixels wide are enlarged with hard edges: every pixel is the generator's own


class Studio:
    """Made inside the Blocks that is open: it holds the dropdown that every tab listens to."""

    def __init__(self, shelf: Shelf, album: Album) -> None:
        self.shelf, self.album = shelf, album
        self.first = shelf.names[0]
        with gr.Row(elem_id="choice"):
            self.bundle = gr.Dropdown(shelf.names, value=self.first, label=say("generator"), filterable=False, min_width=200)
            self.facts = gr.HTML(facts_of(shelf.bundles[self.first]), elem_id="facts", padding=False)

    def classes(self, name: str) -> tuple[str, ...]:
        return self.shelf.classes(name)

    def every_label(self) -> list[tuple[Any, str]]:
        """What the class dropdown must accept: the classes of all bundles, as words and value."""
        return _choices([label for name in self.shelf.names for label in self.shelf.classes(name)])

    def labels(self, name: str, chosen: str = EVERY_CLASS) -> Any:
        """The class dropdown for one bundle."""
        classes = self.classes(name)
        return gr.Dropdown(choices=_choices(classes), value=chosen, visible=bool(classes))

    def gallery(self, elem_id: str, *, few: bool = False) -> gr.Gallery:
        """As many columns as fit; files are shown and downloaded as they were written, and all at once unless they are few."""
        buttons: list[Any] = ["download", "fullscreen"] if few else ["download", "download_all", "fullscreen"]
        return gr.Gallery(
            show_label=False, elem_id=elem_id, elem_classes=["prints"], format="png", interactive=False, columns=8,
            object_fit="contain", height="auto", buttons=buttons,
        )  # fmt: skip

    def hung(self, drawing: Drawing, bundle: str) -> Any:
        """A drawing as the new value of a gallery."""
        enlarged = ["pixel-art"] if self.shelf.bundles[bundle].spec.width <= PIXEL_ART else []
        pictures = [(str(path), caption) for path, caption in drawing.pictures]
        return gr.Gallery(value=pictures, elem_classes=["prints", *enlarged])

    def one_at_a_time(self, shown_on: Any) -> dict[str, Any]:
        """The model computes on all cores, so one draw at a time is as fast as several at once, and fairer.

        What a visitor asks for meanwhile is not lost, as it would be by default: the last of it is drawn next.
        """
        return {
            "concurrency_id": "draw",
            "concurrency_limit": 1,
            "show_progress_on": shown_on,
            "trigger_mode": "always_last",
        }

    @contextmanager
    def answering(self) -> Iterator[None]:
        """What goes wrong becomes a message to the visitor; whatever speaks of this machine's files goes to stderr only."""
        try:
            yield
        except UsageError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except GansampleError as error:
            print(f"demo: {error}", file=sys.stderr)
            raise gr.Error(
                "this generator cannot draw just now; whoever runs the page can read why in its log",
                print_exception=False,
            ) from error


def _choices(labels: Sequence[str]) -> list[tuple[Any, str]]:
    return [(say("each"), EVERY_CLASS), *((label, label) for label in dict.fromkeys(labels))]


def facts_of(bundle: Bundle) -> str:
    """One quiet line beside the generator's name, in what every language shares. Numbers only, so nothing needs escaping."""
    spec = bundle.spec
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[spec.channels]
    parts = [f"{spec.width} × {spec.height} px", mode, f"z: {spec.latent_size}"]
    return f"<p>{' · '.join(parts)} · <code title='sha256'>{bundle.sha256[:8]}</code></p>"
