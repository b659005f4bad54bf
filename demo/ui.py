"""What all tabs share: bundles, drawn images, the generator dropdown, and how every event reports errors and waits its turn."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from demo.bundle_store import BundleStore
from demo.drawing import EVERY_CLASS, DrawResult
from demo.image_store import ImageStore
from demo.texts import localized
from gansample.bundle.open import Bundle
from gansample.errors import GansampleError, UsageError

PIXEL_ART = 64  # pictures up to this many pixels wide are enlarged with hard edges: every pixel is the generator's own

logger = logging.getLogger(__name__)


class Ui:
    """Must be made inside an open `gr.Blocks`: it holds the dropdown that every tab listens to."""

    def __init__(self, bundle_store: BundleStore, image_store: ImageStore) -> None:
        self.bundle_store, self.image_store = bundle_store, image_store
        self.first = bundle_store.names[0]
        with gr.Row(elem_id="choice"):
            self.bundle = gr.Dropdown(
                bundle_store.names, value=self.first, label=localized("generator"), filterable=False, min_width=200
            )
            self.facts = gr.HTML(format_facts(bundle_store.bundles[self.first]), elem_id="facts", padding=False)

    def classes(self, name: str) -> tuple[str, ...]:
        return self.bundle_store.classes(name)

    def all_labels(self) -> list[tuple[Any, str]]:
        """(label, value) of every class of every bundle: all that the class dropdown must accept."""
        return _choices([label for name in self.bundle_store.names for label in self.bundle_store.classes(name)])

    def class_dropdown(self, name: str, chosen: str = EVERY_CLASS) -> Any:
        """The class dropdown for one bundle."""
        classes = self.classes(name)
        return gr.Dropdown(choices=_choices(classes), value=chosen, visible=bool(classes))

    def gallery(self, elem_id: str, *, few: bool = False) -> gr.Gallery:
        """An empty gallery that shows files as they were written; `few` omits the button that downloads them all."""
        buttons: list[Any] = ["download", "fullscreen"] if few else ["download", "download_all", "fullscreen"]
        return gr.Gallery(
            show_label=False, elem_id=elem_id, elem_classes=["prints"], format="png", interactive=False, columns=8,
            object_fit="contain", height="auto", buttons=buttons,
        )  # fmt: skip

    def gallery_value(self, result: DrawResult, bundle: str) -> Any:
        """The new value of a gallery; small pictures are enlarged with hard edges."""
        enlarged = ["pixel-art"] if self.bundle_store.bundles[bundle].spec.width <= PIXEL_ART else []
        pictures = [(str(path), caption) for path, caption in result.pictures]
        return gr.Gallery(value=pictures, elem_classes=["prints", *enlarged])

    def has_mapping(self, bundle: str) -> bool:
        """Whether psi applies to the bundle's pictures."""
        return self.bundle_store.bundles[bundle].spec.mapping is not None

    def one_at_a_time(self, shown_on: Any) -> dict[str, Any]:
        """Event options: all draws share one queue with one worker, because a single draw already uses every core.

        If a visitor triggers the event again meanwhile, Gradio runs the latest of those next (its default drops them).
        """
        return {
            "concurrency_id": "draw",
            "concurrency_limit": 1,
            "show_progress_on": shown_on,
            "trigger_mode": "always_last",
        }

    @contextmanager
    def errors_shown(self) -> Iterator[None]:
        """Show errors to the visitor; those that may name files of this machine are logged, and shown in general terms."""
        try:
            yield
        except UsageError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except GansampleError as error:
            logger.error("%s", error)
            raise gr.Error(
                "this generator cannot draw just now; whoever runs the page can read why in its log",
                print_exception=False,
            ) from error


def seed_input(value: int, key: str, elem_id: str, min_width: int = 110) -> gr.Number:
    """A field for a seed. Whatever number is typed comes through as it is: Gradio would round 7.5, and `check_seed` says no."""
    return gr.Number(value, label=localized(key), step=1, elem_id=elem_id, min_width=min_width)


def _choices(labels: Sequence[str]) -> list[tuple[Any, str]]:
    return [(localized("each"), EVERY_CLASS), *((label, label) for label in dict.fromkeys(labels))]


MODES = {
    1: ("grey", "灰度"),
    2: ("grey with transparency", "灰度带透明"),
    3: ("colour", "彩色"),
    4: ("colour with transparency", "彩色带透明"),
}


def format_facts(bundle: Bundle) -> str:
    """The line beside the generator's name: size, colours, latent size, digest. Safe as HTML.

    It has every language, and page.css shows the page's: Gradio translates whole components, not a part of a value.
    """
    spec = bundle.spec
    english, chinese = MODES[spec.channels]
    return (
        f"<p>{spec.width} × {spec.height} px, <span lang='en'>{english}, {spec.latent_size}-number latent</span>"
        f"<span lang='zh'>{chinese}，{spec.latent_size} 维隐变量</span> · <code title='sha256'>{bundle.sha256[:8]}</code></p>"
    )
