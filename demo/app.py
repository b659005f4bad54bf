"""The page: what a visitor sees, and which button does what. Every event is an endpoint for `gradio_client` as well."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from demo.album import Album
from demo.draw import EVERY_CLASS, MAX_PICTURES, Drawing, Wish, draw, roll
from demo.shelf import Shelf
from gansample.bundle import Bundle
from gansample.errors import GansampleError, UsageError
from gansample.latents import SEED_END

TITLE = "gansample"
FIRST_SEED, FIRST_COUNT = 0, 24
PIXEL_ART = 64  # pictures up to this many pixels wide are enlarged with hard edges: every pixel is the generator's own
WAITING = 32  # requests in the queue before newcomers are told that it is full

_HEADER = """
<header>
  <p class="eyebrow">gansample</p>
  <h1>One seed, one picture.</h1>
  <p class="lede">A trained generator draws each of these from nothing but its number. Same number, same picture: on any
  machine, in any batch.</p>
</header>
"""
_COLOPHON = """
<p>Every picture is a PNG that carries its seed and its model's digest.</p>
"""


def build_page(shelf: Shelf, album: Album) -> gr.Blocks:
    """The page over these bundles, not yet launched. Its pictures go to `album`, inside whose block it must be built."""
    first = shelf.names[0]
    every_label = list(dict.fromkeys(label for name in shelf.names for label in shelf.classes(name)))

    def generate(bundle: str, label: str, seed: int | None, count: int) -> tuple[Any, str]:
        """Draw `count` pictures (1 to 64) of consecutive seeds, the first one `seed` (0 to 4294967295).

        `label` is a class of the bundle, or "each in turn". Returns PNG files with captions, and how long it took.
        """
        with _answering():
            drawing = draw(Wish(bundle=bundle, label=label, seed=seed, count=count), shelf, album)
        return _gallery(drawing, shelf.bundles[bundle]), drawing.report

    def surprise(bundle: str, label: str, count: int) -> tuple[int, Any, str]:
        """Roll the dice for a seed and draw from it. Returns the seed, PNG files with captions, and how long it took."""
        seed = roll()
        return seed, *generate(bundle, label, seed, count)

    def choose(bundle: str, seed: int | None, count: int) -> tuple[Any, str, Any, str]:
        """Change to another bundle: its classes, its facts, and its pictures for the same seeds."""
        labels = gr.Dropdown(choices=_choices(shelf, bundle), value=EVERY_CLASS, visible=bool(shelf.classes(bundle)))
        return labels, _facts(shelf.bundles[bundle]), *generate(bundle, EVERY_CLASS, seed, count)

    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(300, 600))
    with page:
        gr.HTML(_HEADER, elem_id="masthead", padding=False)
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="controls", min_width=280):
                bundle = gr.Dropdown(shelf.names, value=first, label="Generator", filterable=False)
                facts = gr.HTML(_facts(shelf.bundles[first]), elem_id="facts", padding=False)
                label = gr.Dropdown(
                    [EVERY_CLASS, *every_label],
                    value=EVERY_CLASS,
                    label="Class",
                    filterable=False,
                    visible=bool(shelf.classes(first)),
                )
                with gr.Row(elem_id="seed-row", equal_height=True):
                    seed = gr.Number(
                        FIRST_SEED, label="Seed", precision=0, minimum=0, maximum=SEED_END - 1, elem_id="seed", min_width=120
                    )
                    dice = gr.Button("Roll", elem_id="dice", min_width=64, scale=0)
                count = gr.Slider(1, MAX_PICTURES, FIRST_COUNT, step=1, precision=0, label="Pictures", buttons=[])
                button = gr.Button("Draw", variant="primary", elem_id="draw")
            with gr.Column(elem_id="sheet", min_width=300):
                report = gr.Markdown(elem_id="report")
                gallery = gr.Gallery(
                    label="Pictures",
                    show_label=False,
                    elem_id="gallery",
                    format="png",
                    interactive=False,
                    columns=8,
                    object_fit="contain",
                    height="auto",
                    buttons=["download", "download_all", "fullscreen"],
                )
        gr.HTML(_COLOPHON, elem_id="colophon", padding=False)

        # The model computes on all cores, so one draw at a time is as fast as several at once, and fairer.
        one_at_a_time: dict[str, Any] = {"concurrency_id": "draw", "concurrency_limit": 1, "show_progress_on": report}
        gr.on(
            [page.load, button.click, seed.submit, count.release, label.input],
            generate,
            [bundle, label, seed, count],
            [gallery, report],
            api_name="generate",
            **one_at_a_time,
        )
        dice.click(surprise, [bundle, label, count], [seed, gallery, report], api_name="surprise", **one_at_a_time)
        bundle.input(choose, [bundle, seed, count], [label, facts, gallery, report], api_name="choose", **one_at_a_time)
        page.load(lambda name: gr.Dropdown(choices=_choices(shelf, name)), bundle, label, api_name="classes")
    page.queue(api_open=False, max_size=WAITING)
    # Gradio sums up all past events with pandas after every single one, for a monitor that is closed here.
    page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    return page


def _choices(shelf: Shelf, bundle: str) -> list[str]:
    return [EVERY_CLASS, *shelf.classes(bundle)]


def _gallery(drawing: Drawing, bundle: Bundle) -> Any:
    enlarged = ["pixel-art"] if bundle.spec.width <= PIXEL_ART else []
    return gr.Gallery(value=[(str(path), caption) for path, caption in drawing.pictures], elem_classes=enlarged)


def _facts(bundle: Bundle) -> str:
    """One quiet line under the generator's name; names and numbers of the spec only, so nothing needs escaping."""
    spec = bundle.spec
    colours = {1: "grey", 2: "grey + alpha", 3: "colour", 4: "colour + alpha"}[spec.channels]
    parts = [f"{spec.width} × {spec.height} {colours}", f"{spec.latent_size} latent numbers"]
    if spec.classes is not None:
        parts.append(f"{len(spec.classes)} classes")
    return f"<p>{' · '.join(parts)} · <code title='sha256 of the model'>{bundle.sha256[:8]}</code></p>"


@contextmanager
def _answering() -> Iterator[None]:
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


STYLE = Path(__file__).with_name("page.css")


def theme() -> gr.themes.Base:
    """Paper and ink, one warm accent; fonts the visitor already has, so the page asks nobody else for anything."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
    ).set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#141210",
        background_fill_primary="#faf9f7",
        background_fill_primary_dark="#141210",
        block_title_text_weight="500",
        block_title_text_color="*body_text_color",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1f1c1a",
        input_border_width="1px",
        button_primary_background_fill="*neutral_900",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_text_color="#ffffff",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        button_primary_border_color_hover="transparent",
        button_primary_border_color_hover_dark="transparent",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#1f1c1a",
        button_secondary_border_color="*border_color_primary",
        slider_color="*neutral_800",
        slider_color_dark="*neutral_300",
        button_primary_background_fill_dark="*neutral_100",
        button_primary_background_fill_hover_dark="*neutral_300",
        button_primary_text_color_dark="*neutral_900",
    )
