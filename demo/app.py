"""The page: the generator dropdown above five tabs, and the events between them. Public events are API endpoints as well."""

import sys
from html import escape
from typing import Any

import gradio as gr

from demo.address import parse_address
from demo.bundle_store import BundleStore
from demo.drawing import EVERY_CLASS
from demo.image_store import ImageStore
from demo.page import Page
from demo.tabs.about import About
from demo.tabs.contact_sheet import ContactSheet
from demo.tabs.explore import Explore
from demo.tabs.fidelity import FidelityTab
from demo.tabs.generate import Generate
from demo.texts import localized
from demo.ui import Ui, format_facts

TITLE = "gansample"
WAITING = 32  # events in the queue; further ones are refused as "queue full"


def build_page(bundle_store: BundleStore, image_store: ImageStore) -> gr.Blocks:
    """The page over these bundles, not yet launched. It must be built inside the block of `private_image_store`."""
    page = Page(title=TITLE, analytics_enabled=False, delete_cache=(300, 600))
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

        _on_load(page, ui, generate, about)
        _on_bundle_change(ui, generate, explore, contact, fidelity, about)
        _on_picture_click(ui, generate, explore, contact, tabs)
    page.queue(api_open=False, max_size=WAITING)
    # Gradio summarises all past events with pandas after each one, for a monitoring page that is disabled here.
    page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    return page


def _on_bundle_change(
    ui: Ui, generate: Generate, explore: Explore, contact: ContactSheet, fidelity: FidelityTab, about: About
) -> None:
    def choose(
        bundle: str, seed: float | None, count: float, truncation: float, precision: str, psi: float = 1.0
    ) -> tuple[Any, ...]:
        """Change to another bundle: its classes, facts, pictures for the same seeds, card, and whether psi applies."""
        psi = psi if ui.has_mapping(bundle) else 1.0
        pictures = generate.generate(bundle, EVERY_CLASS, seed, count, truncation, precision, psi)
        facts = format_facts(ui.bundle_store.bundles[bundle])
        slider = gr.Slider(value=psi, visible=ui.has_mapping(bundle))
        return ui.class_dropdown(bundle), facts, *pictures, *about.read(bundle), slider

    chosen = ui.bundle.input(
        choose,
        [ui.bundle, generate.seed, generate.count, generate.truncation, generate.precision, generate.psi],
        [generate.label, ui.facts, generate.gallery, generate.report, *about.outputs, generate.psi],
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


def _on_load(page: gr.Blocks, ui: Ui, generate: Generate, about: About) -> None:
    def start(request: gr.Request) -> tuple[Any, ...]:
        """The view that the page's address asks for; what cannot be shown is said."""
        view, refused = parse_address(request.query_params if request is not None else {}, ui.bundle_store)
        if refused:
            gr.Warning(escape(f"The address asks for what there is not: {'; '.join(refused)}"), duration=None, title="Address")
        pictures = generate.generate(view.bundle, view.label, view.seed, view.count, view.truncation, view.precision, view.psi)
        facts = format_facts(ui.bundle_store.bundles[view.bundle])
        labels = ui.class_dropdown(view.bundle, view.label)
        psi = gr.Slider(value=view.psi, visible=ui.has_mapping(view.bundle))
        return view.bundle, facts, labels, view.seed, view.count, view.truncation, view.precision, *pictures, psi

    started = page.load(
        start,
        None,
        [ui.bundle, ui.facts, generate.label, generate.seed, generate.count, generate.truncation,
         generate.precision, generate.gallery, generate.report, generate.psi],
        api_name="start",
        **ui.one_at_a_time(generate.report),
    )  # fmt: skip
    generate.update_address(started)
    started.success(about.read, ui.bundle, about.outputs, api_name="about", show_progress="hidden")


def _on_picture_click(ui: Ui, generate: Generate, explore: Explore, contact: ContactSheet, tabs: gr.Tabs) -> None:
    def pick(before: float | None, event: gr.SelectData) -> tuple[int, float | None, int]:
        """Put the seed of the clicked picture into Explore; the one clicked before it becomes the start of the morph."""
        picked = int(event.value["caption"].split()[1])  # "seed 42 · cat": the field may hold another one by now
        return picked, before, picked

    generate.gallery.select(
        pick, explore.end, [explore.centre, explore.start, explore.end], api_visibility="private",
        show_progress="hidden",
    )  # fmt: skip

    def use(event: gr.SelectData) -> tuple[int, str, int, int, int, Any]:
        """Take the seed from the contact sheet to Generate and Explore, with the settings it was drawn with there."""
        seed = int(event.index)
        return seed, EVERY_CLASS, 0, 1, seed, gr.Tabs(selected="generate")

    used = contact.gallery.select(
        use, None, [generate.seed, generate.label, generate.truncation, generate.psi, explore.centre, tabs],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    drawn = used.then(
        generate.generate, generate.inputs, [generate.gallery, generate.report], api_visibility="private",
        **ui.one_at_a_time(generate.report),
    )  # fmt: skip
    generate.update_address(drawn)
