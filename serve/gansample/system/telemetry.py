"""Nobody is called: the libraries used here that report their use to their makers are told not to."""

import os
import sys
from types import ModuleType

# Each is read when the library is imported or first used. A user's own setting stays.
_OPT_OUT = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime from 1.29 on; it would also leave a device id in the home folder
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which Gradio imports
}


def disable_telemetry() -> None:
    """Turn reports off, for this process and (but for NNCF's) those that it starts. Call it before the imports."""
    for name, value in _OPT_OUT.items():
        os.environ.setdefault(name, value)
    # NNCF sends a session to Google Analytics while it is imported, whatever its own switch NNCF_CI says. Where this package is
    # missing it sends nothing, and so does OpenVINO's converter: an empty module in its place is as good as missing.
    sys.modules.setdefault("openvino_telemetry", ModuleType("openvino_telemetry"))
