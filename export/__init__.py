"""torch + onnx. A checkpoint in, a verified model bundle out: `python -m export`."""

from gansample.system.telemetry import disable_telemetry

disable_telemetry()  # before anything that it imports
