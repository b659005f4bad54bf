"""This project beside its peers, in one run, as ratios: `python -m benchmarks`."""

from gansample.system.telemetry import disable_telemetry

disable_telemetry()  # before anything that it imports
