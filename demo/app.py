"""The page: the generator's dropdown above five tabs, and what joins them. Every event is an endpoint as well."""

import sys
from pathlib import Path
from typing import Any

import gradio as gr

from demo.bundle_store import Shelf
from demo.drawing import EVERY_CLASS, MAX_PICTURES
from demo.image_store import Album
from demo.tabs.about import About
from demo.tabs.contact_sheet import ContactSheet
from demo.tabs.explore import Explore
from demo.tabs.fidelity import FidelityTab
from demo.tabs.generate import FIRST_COUNT, FIRST_SEED, PRECISIONS, Generate
from demo.texts import say
from demo.ui import Studio, facts_of
from gansample.latents import SEED_END

TITLE = "gansample"
WAITING = 32  # requests in the queue before newcomers are told that it is full
STYLE = Path(__file__).with_name("page.css")


def build_page(shelf: Shelf, album: Album) -> gr.Blocks:
    """The page over these bundles, not yet launched. Its pictures go to `album`, inside whose block it must be built."""
    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(300, 600))
    with page:
        gr.HTML('<p class="eyebrow">gansample</p>', elem_id="masthead", padding=False)
        gr.Markdown(say("title"), elem_id="headline")
        gr.Markdown(say("lede"), elem_id="lede")
        studio = Studio(shelf, album)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(say("generate"), id="generate"):
                generate = Generate(studio)
            with gr.Tab(say("explore"), id="explore") as explore_tab:
                explore = Explore(studio, generate, explore_tab)
            with gr.Tab(say("contact"), id="contact") as contact_tab:
                contact = ContactSheet(studio, contact_tab)
            with gr.Tab(say("fidelity"), id="fidelity"):
                fidelity = FidelityTab(studio)
            with gr.Tab(say("about"), id="about"):
                about = About(studio)
        gr.Markdown(say("colophon"), elem_id="colophon")

        _start(page, studio, generate, about)
        _choose(studio, generate, explore, contact, fidelity, about)
        _pick(studio, generate, explore, contact, tabs)
    page.queue(api_open=False, max_size=WAITING)
    # Gradio sums up all past events with pandas after every single one, for a monitor that is closed here.
    page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    return page


def _choose(
    studio: Studio, generate: Generate, explore: Explore, contact: ContactSheet, fidelity: FidelityTab, about: About
) -> None:
    def choose(bundle: str, seed: int | None, count: int, truncation: float, precision: str) -> tuple[Any, ...]:
        """Change to another bundle: its classes, its facts, its pictures for the same seeds, and its card."""
        pictures = generate.generate(bundle, EVERY_CLASS, seed, count, truncation, precision)
        return studio.labels(bundle), facts_of(studio.shelf.bundles[bundle]), *pictures, *about.read(bundle)

    chosen = studio.bundle.input(
        choose,
        [studio.bundle, generate.seed, generate.count, generate.truncation, generate.precision],
        [generate.label, studio.facts, generate.gallery, generate.report, *about.outputs],
        api_name="choose",
        **studio.one_at_a_time(generate.report),
    )
    generate.address(chosen)
    # What the other tabs show is the last generator's: draw it anew, and take back a verdict on another bundle.
    one = studio.one_at_a_time(contact.report)
    chosen.success(
        lambda: ("", None), None, [fidelity.table, fidelity.gallery], api_visibility="private", show_progress="hidden"
    )
    chosen.success(
        explore.neighbours, explore.near_inputs, [explore.around, explore.report], api_visibility="private", **one
    ).success(explore.morph, explore.way_inputs, explore.between, api_visibility="private", **one).success(
        contact.sheet, studio.bundle, [contact.gallery, contact.report], api_visibility="private", **one
    )


def _start(page: gr.Blocks, studio: Studio, generate: Generate, about: About) -> None:
    def start(request: gr.Request) -> tuple[Any, ...]:
        """What the address asks for: ?bundle=…&seed=…&n=…&class=…&truncation=…&precision=…; nonsense is passed over."""
        asked = request.query_params if request is not None else {}
        bundle = asked.get("bundle") if asked.get("bundle") in studio.shelf.bundles else studio.first
        label = asked.get("class") if asked.get("class") in studio.classes(bundle) else EVERY_CLASS
        precision = asked.get("precision") if asked.get("precision") in PRECISIONS else PRECISIONS[0]
        count = int(_number(asked.get("n"), FIRST_COUNT, 1, MAX_PICTURES))
        seed = int(_number(asked.get("seed"), FIRST_SEED, 0, SEED_END - count))
        truncation = _number(asked.get("truncation"), 0, 0, 3)
        pictures = generate.generate(bundle, label, seed, count, truncation, precision)
        facts = facts_of(studio.shelf.bundles[bundle])
        return bundle, facts, studio.labels(bundle, label), seed, count, truncation, precision, *pictures

    started = page.load(
        start,
        None,
        [studio.bundle, studio.facts, generate.label, generate.seed, generate.count, generate.truncation,
         generate.precision, generate.gallery, generate.report],
        api_name="start",
        **studio.one_at_a_time(generate.report),
    )  # fmt: skip
    generate.address(started)
    started.success(about.read, studio.bundle, about.outputs, api_name="about", show_progress="hidden")


def _number(text: str | None, otherwise: float, low: float, high: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return otherwise
    return min(max(value, low), high) if value == value else otherwise  # NaN is not itself


def _pick(studio: Studio, generate: Generate, explore: Explore, contact: ContactSheet, tabs: gr.Tabs) -> None:
    def pick(seed: int | None, before: int | None, event: gr.SelectData) -> tuple[int, int | None, int]:
        """The picture that was clicked waits under Explore; the one clicked before it is where a morph begins."""
        picked = int(seed or 0) + int(event.index)
        return picked, before, picked

    generate.gallery.select(
        pick, [generate.seed, explore.end], [explore.centre, explore.start, explore.end], api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip

    def use(event: gr.SelectData) -> tuple[int, str, int, int, Any]:
        """Take the seed from the contact sheet to Generate and Explore, drawn as it was there."""
        seed = int(event.index)
        return seed, EVERY_CLASS, 0, seed, gr.Tabs(selected="generate")

    used = contact.gallery.select(
        use, None, [generate.seed, generate.label, generate.truncation, explore.centre, tabs], api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip
    drawn = used.then(
        generate.generate, generate.inputs, [generate.gallery, generate.report], api_visibility="private",
        **studio.one_at_a_time(generate.report),
    )  # fmt: skip
    generate.address(drawn)


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
