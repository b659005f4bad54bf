"""torch + onnx. A checkpoint in, a verified model bundle out: `python -m export`."""
