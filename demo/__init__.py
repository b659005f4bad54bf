"""A Gradio page that draws from exported bundles: `python -m demo`."""
