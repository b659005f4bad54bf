"""gradio. A page that draws from a bundle: `python -m demo`."""
