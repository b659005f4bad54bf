"""How the page looks: Gradio's theme; what it cannot say is in page.css."""

import gradio as gr


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
