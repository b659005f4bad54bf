"""docs/export.md says what the code does."""

import re

import pytest

from export.__main__ import app
from gansample.bundle.fidelity import GATES
from tests.support.repository import ROOT

PAGE = (ROOT / "docs/export.md").read_text()


@pytest.mark.parametrize(
    ("variant", "precision", "bounds"),
    [
        ("onnx-fp32", "fp32", ("one 8-bit step", 1, "max_step", "99.9 %", 0.999, "identical")),
        ("onnx-fp16", "fp16", ("0.1 step", 0.1, "mean_step", "60 dB", 60, "psnr_db")),
        ("openvino-bf16", "bf16", ("0.5 step", 0.5, "mean_step", "48 dB", 48, "psnr_db")),
        ("openvino-int8", "int8", ("33 dB", 33, "psnr_db")),
    ],
)
def test_the_gates_are_those_of_the_code(variant: str, precision: str, bounds: tuple[str | float, ...]) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{variant}`"))
    for text, value, field in zip(bounds[::3], bounds[1::3], bounds[2::3], strict=True):
        assert str(text) in row
        assert getattr(GATES[precision], str(field)) == value


def test_every_option_on_the_page_exists() -> None:
    from typer.main import get_command

    known = {flag for parameter in get_command(app).params for flag in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", PAGE)) - {"--signed"}
    assert named <= known
