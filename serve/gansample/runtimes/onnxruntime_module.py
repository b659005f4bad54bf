"""ONNX Runtime's own module: every import of it goes through here."""

from typing import Any

from gansample.errors import BackendUnavailable
from gansample.system.telemetry import disable_telemetry


def import_onnxruntime(extra: str = "cpu") -> Any:
    """The module. Raises BackendUnavailable where it is not installed.

    extra  of the package gansample: the one that installs it.
    """
    disable_telemetry()
    try:
        import onnxruntime
    except ImportError:
        raise BackendUnavailable("onnxruntime is not installed", f"pip install 'gansample[{extra}]'") from None
    return onnxruntime
