"""A Gradio page that draws from exported bundles: `python -m demo`."""

from gansample.system.telemetry import disable_telemetry

disable_telemetry()  # before anything that it imports
