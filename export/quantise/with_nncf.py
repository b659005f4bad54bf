"""Plain int8: NNCF puts a quantiser before every layer, with ranges and weight steps from calibration latents."""

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from typing import Any

from gansample.runners import Labels, Latents

CALIBRATION_BATCH = 64


def quantised(model: Any, z: Latents, label: Labels | None, *, bias_correction: bool = False) -> Any:
    """A quantised copy of an OpenVINO model.

    bias_correction  NNCF's own; off where round_weights.refit corrects the bias afterwards.
    """
    os.environ.setdefault("NNCF_CI", "1")  # NNCF reports each use to its makers unless told that this is a test machine
    import nncf

    nncf.set_log_level(logging.ERROR)
    batches = list(_batches(z, label))
    advanced = nncf.AdvancedQuantizationParameters(disable_bias_correction=not bias_correction)
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bar would end up in our --json
        return nncf.quantize(model.clone(), nncf.Dataset(batches), subset_size=len(batches), advanced_parameters=advanced)


def _batches(z: Latents, label: Labels | None) -> Iterator[dict[str, Any]]:
    for start in range(0, len(z), CALIBRATION_BATCH):
        part = slice(start, start + CALIBRATION_BATCH)
        yield {"z": z[part]} if label is None else {"z": z[part], "label": label[part]}
