"""The page: the generator dropdown above five tabs, and the events between them. Public events are API endpoints as well."""

import sys
from pathlib import Path
from typing import Any

import gradio as gr

from demo.bundle_store import BundleStore
from demo.drawing import EVERY_CLASS, MAX_PICTURES
from demo.image_store import ImageStore
from demo.tabs.about import About
from demo.tabs.contact_sheet import ContactSheet
from demo.tabs.explore import Explore
from demo.tabs.fidelity import FidelityTab
from demo.tabs.generate import FIRST_COUNT, FIRST_SEED, PRECISIONS, Generate
from demo.texts import localized
from demo.ui import Ui, format_facts
from gansample.latents import SEED_END

TITLE = "gansample"
WAITING = 32  # events in the queue; further ones are refused as "queue full"
STYLE = Path(__file__).with_name("page.css")


def build_page(bundle_store: BundleStore, image_store: ImageStore) -> gr.Blocks:
    """The page over these bundles, not yet launched. It must be built inside the block of `private_image_store`."""
    page = gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(300, 600))
    with page:
        gr.HTML('<p class="eyebrow">gansample</p>', elem_id="masthead", padding=False)
        gr.Markdown(localized("title"), elem_id="headline")
        gr.Markdown(localized("lede"), elem_id="lede")
        ui = Ui(bundle_store, image_store)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(localized("generate"), id="generate"):
                generate = Generate(ui)
            with gr.Tab(localized("explore"), id="explore") as explore_tab:
                explore = Explore(ui, generate, explore_tab)
            with gr.Tab(localized("contact"), id="contact") as contact_tab:
                contact = ContactSheet(ui, contact_tab)
            with gr.Tab(localized("fidelity"), id="fidelity"):
                fidelity = FidelityTab(ui)
            with gr.Tab(localized("about"), id="about"):
                about = About(ui)
        gr.Markdown(localized("colophon"), elem_id="colophon")

        _start(page, ui, generate, about)
        _choose(ui, generate, explore, contact, fidelity, about)
        _pick(ui, generate, explore, contact, tabs)
    page.queue(api_open=False, max_size=WAITING)
    # Gradio summarises all past events with pandas after each one, for a monitoring page that is disabled here.
    page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    return page


def _choose(ui: Ui, generate: Generate, explore: Explore, contact: ContactSheet, fidelity: FidelityTab, about: About) -> None:
    def choose(bundle: str, seed: int | None, count: int, truncation: float, precision: str) -> tuple[Any, ...]:
        """Change to another bundle: its classes, facts, pictures for the same seeds, and card."""
        pictures = generate.generate(bundle, EVERY_CLASS, seed, count, truncation, precision)
        return ui.class_dropdown(bundle), format_facts(ui.bundle_store.bundles[bundle]), *pictures, *about.read(bundle)

    chosen = ui.bundle.input(
        choose,
        [ui.bundle, generate.seed, generate.count, generate.truncation, generate.precision],
        [generate.label, ui.facts, generate.gallery, generate.report, *about.outputs],
        api_name="choose",
        **ui.one_at_a_time(generate.report),
    )
    generate.update_address(chosen)
    # The other tabs still show the previous generator: draw them again, and clear the verdict.
    one = ui.one_at_a_time(contact.report)
    chosen.success(
        lambda: ("", None), None, [fidelity.table, fidelity.gallery], api_visibility="private", show_progress="hidden"
    )
    chosen.success(
        explore.neighbours, explore.near_inputs, [explore.around, explore.report], api_visibility="private", **one
    ).success(explore.morph, explore.way_inputs, explore.between, api_visibility="private", **one).success(
        contact.sheet, ui.bundle, [contact.gallery, contact.report], api_visibility="private", **one
    )


def _start(page: gr.Blocks, ui: Ui, generate: Generate, about: About) -> None:
    def start(request: gr.Request) -> tuple[Any, ...]:
        """What the address asks for: ?bundle=…&seed=…&n=…&class=…&truncation=…&precision=…; invalid values are ignored."""
        asked = request.query_params if request is not None else {}
        bundle = asked.get("bundle") if asked.get("bundle") in ui.bundle_store.bundles else ui.first
        label = asked.get("class") if asked.get("class") in ui.classes(bundle) else EVERY_CLASS
        precision = asked.get("precision") if asked.get("precision") in PRECISIONS else PRECISIONS[0]
        count = int(_number(asked.get("n"), FIRST_COUNT, 1, MAX_PICTURES))
        seed = int(_number(asked.get("seed"), FIRST_SEED, 0, SEED_END - count))
        truncation = _number(asked.get("truncation"), 0, 0, 3)
        pictures = generate.generate(bundle, label, seed, count, truncation, precision)
        facts = format_facts(ui.bundle_store.bundles[bundle])
        return bundle, facts, ui.class_dropdown(bundle, label), seed, count, truncation, precision, *pictures

    started = page.load(
        start,
        None,
        [ui.bundle, ui.facts, generate.label, generate.seed, generate.count, generate.truncation,
         generate.precision, generate.gallery, generate.report],
        api_name="start",
        **ui.one_at_a_time(generate.report),
    )  # fmt: skip
    generate.update_address(started)
    started.success(about.read, ui.bundle, about.outputs, api_name="about", show_progress="hidden")


def _number(text: str | None, otherwise: float, low: float, high: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return otherwise
    return min(max(value, low), high) if value == value else otherwise  # NaN is not itself


def _pick(ui: Ui, generate: Generate, explore: Explore, contact: ContactSheet, tabs: gr.Tabs) -> None:
    def pick(seed: int | None, before: int | None, event: gr.SelectData) -> tuple[int, int | None, int]:
        """Put the seed of the clicked picture into Explore; the one clicked before it becomes the start of the morph."""
        picked = int(seed or 0) + int(event.index)
        return picked, before, picked

    generate.gallery.select(
        pick, [generate.seed, explore.end], [explore.centre, explore.start, explore.end], api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip

    def use(event: gr.SelectData) -> tuple[int, str, int, int, Any]:
        """Take the seed from the contact sheet to Generate and Explore, with the settings it was drawn with there."""
        seed = int(event.index)
        return seed, EVERY_CLASS, 0, seed, gr.Tabs(selected="generate")

    used = contact.gallery.select(
        use, None, [generate.seed, generate.label, generate.truncation, explore.centre, tabs], api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip
    drawn = used.then(
        generate.generate, generate.inputs, [generate.gallery, generate.report], api_visibility="private",
        **ui.one_at_a_time(generate.report),
    )  # fmt: skip
    generate.update_address(drawn)


def theme() -> gr.themes.Base:
    """Paper and ink, one warm accent; system fonts only, so the page loads nothing from other servers."""
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
