"""gradio. A page that draws from the bundles under artifacts/: `python -m demo`."""
