"""The report shows every verdict with its pictures and figures, and needs nothing but itself."""

import base64
import io
import re
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from export.bundle_writer.report import CheckedVariant, ExcludedVariant, report_html
from export.bundle_writer.thumbnails import amplified_difference, difference_thumbnails, thumbnails
from export.export_model import ExportModel, render
from export.parity.reference import Reference, render_reference
from export.parity.verdict import ParityReport, check_parity
from export.speed import MeasuredSpeed
from gansample.bundle.spec import Spec
from gansample.runtimes.tensorrt.receipt import BuildReceipt

SPEC = Spec(name="a <b> name", latent_size=4, height=8, width=8, channels=1, classes=("zero", "one", "two"))
WORDS = "Error Code 9: Internal Error (no implementation for node_Conv_12)"
BUILT = BuildReceipt(
    verdict="BUILT", builder="a builder", targets=("sm80",), layers=3, bytes=2**20, seconds=0.1, refused={"sm75": WORDS}
)
REFUSED = BuildReceipt(verdict="REFUSED", builder="a builder", refused={"all": WORDS})
SPEED = MeasuredSpeed(images_per_second={1: 100.0, 64: 900.0}, processor="a processor", cores=2)


@pytest.mark.parametrize(("step", "factor"), [(0, 64), (1, 64), (3, 64), (4, 32), (60, 4), (200, 1)])
def test_a_difference_is_amplified_as_far_as_it_stays_a_picture(step: int, factor: int) -> None:
    a = np.full((1, 2, 2, 4), 255, np.uint8)
    b = a.copy()
    b[0, 0, 0, 0] -= step
    bright, used = amplified_difference(a, b)
    assert (used, bright[0, 0, 0, 0]) == (factor, step * factor)
    assert (bright[..., 3] == 255).all()


def test_large_pictures_are_reduced_and_a_single_wrong_pixel_stays_visible() -> None:
    pictures = np.zeros((2, 500, 300, 3), np.uint8)
    pictures[0, 7, 9] = 255
    mean, largest = (decoded(sheet) for sheet in (thumbnails(pictures), difference_thumbnails(pictures)))
    assert largest.shape == mean.shape == (125 + 4, 150 + 6, 3), "two pictures in a frame, a quarter as large"
    assert (largest[3, 4, 0], mean[3, 4, 0]) == (255, 16)
    assert decoded(thumbnails(pictures[:, :20, :20])).shape == (20 + 4, 40 + 6, 3), "small ones stay as they are"


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


class Generator(nn.Module):
    """Labels shift the latent; a linear map draws."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classes, self.draws = nn.Embedding(3, 4), nn.Linear(4, 64)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return torch.tanh(self.draws(z + self.classes(label))).reshape(-1, 1, 8, 8)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return render_reference(ExportModel(Generator(), SPEC), seeds=range(96))


def judged(reference: Reference, generator: ExportModel, variant: str, offset: int = 0) -> ParityReport:
    def images(z: np.ndarray, label: np.ndarray | None) -> np.ndarray:
        drawn = render(generator, z, label).images
        drawn[(label == 2) if label is not None else slice(0)] ^= np.uint8(offset)
        return drawn

    return check_parity(images, None, reference, variant=variant, precision="fp32", batches={1: 4, 64: 96})


@pytest.fixture(scope="module")
def page(reference: Reference) -> str:
    generator = ExportModel(Generator(), SPEC)
    right, wrong = judged(reference, generator, "onnx-fp32"), judged(reference, generator, "openvino-fp32", offset=2)
    assert (right.verdict, wrong.verdict) == ("PASS", "FAIL")
    return report_html(
        SPEC,
        [
            CheckedVariant(report=report, speed=SPEED, runtime="a runtime 1.0", bytes=3 * 2**20, engines=(receipt,))
            for report, receipt in ((right, BUILT), (wrong, REFUSED))
        ],
        [ExcludedVariant(name="tensorrt", verdict="NOT RUN", reasons=(f"this machine has no GPU {'and no driver ' * 20}",))],
        reference,
    )


def test_the_page_tells_every_verdict_and_its_reasons_and_loads_nothing(page: str) -> None:
    for words in (
        "1 of 2 variants",
        '<td class="PASS">PASS</td><td>900</td>',
        "<td>3.00 MiB</td>",
        "this machine has no GPU",
        "max 2 steps, allowed 1",
        "Worst class: two",
        "a &lt;b&gt; name",
    ):
        assert words in page
    assert page.count("data:image/webp;base64,") == 2 * (3 + 3)
    assert not re.search(r'(src|href)="(?!data:)|@import|url\(', page)


def test_a_builders_own_words_are_folded_under_a_plain_sentence(page: str) -> None:
    plain, words = page.split("<details><summary>The builder's own words</summary>")
    assert "onnx-fp32 was not built for\nsm75 (RTX 20)." in plain
    assert "the builder does not take this graph" in plain
    assert WORDS not in plain
    folded = words.partition("</details>")[0]
    assert f"onnx-fp32 on sm75: {WORDS}" in folded
    assert f"openvino-fp32: {WORDS}" in folded


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_phone(page: str, browser: Any, width: int) -> None:
    shown = browser.new_page(viewport={"width": width, "height": 800})
    shown.set_content(page)
    assert shown.evaluate("document.documentElement.scrollWidth") == width
    assert not shown.locator("pre").is_visible(), "what is for programs is folded away"
    shown.get_by_text("Checkpoint, data, configuration and versions").click()
    assert shown.locator("pre").is_visible()
    table = shown.locator(".scroll").first
    table.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    first = table.locator("tr:last-child td:first-child").bounding_box()
    assert first["x"] == table.bounding_box()["x"], "a row keeps its name"
    assert table.evaluate("box => box.scrollWidth") < 1200, "a reason has several lines"
    shown.close()


class Foreign(Generator):
    """Stands for a network that came as a graph."""

    reference_name = "onnx.reference float64"
    float32_name = "ONNX Runtime float32"

    def onnx_graph(self) -> NoReturn:
        raise NotImplementedError


def test_the_page_names_what_drew_the_reference() -> None:
    generator = ExportModel(Foreign(), SPEC)
    report = judged(render_reference(generator, seeds=range(96)), generator, "onnx-fp32")
    checked = CheckedVariant(report=report, speed=SPEED, runtime="a runtime 1.0", bytes=1)
    page = report_html(SPEC, [checked], [], render_reference(generator, seeds=range(16)))
    assert "1 of 1 variants draw the pictures of onnx.reference float64" in page
    assert "ONNX Runtime float32" in page
    assert "PyTorch" not in page


def test_a_conditional_generator_is_judged_on_all_its_classes_and_the_worst_is_named(reference: Reference) -> None:
    report = judged(reference, ExportModel(Generator(), SPEC), "openvino-fp32", offset=2)
    assert reference.label is not None
    assert set(reference.label.tolist()) == {0, 1, 2}
    assert report.worst_class is not None
    assert report.worst_class[0] == "two"
    assert report.worst.label == 2
    assert report.to_dict()["worst_class"]["class"] == "two"


def test_the_search_only_ever_makes_the_worst_latent_worse(reference: Reference) -> None:
    report = judged(reference, ExportModel(Generator(), SPEC).in_precision(torch.bfloat16), "bf16")
    assert report.worst.psnr_db <= report.worst.seed_psnr_db
    assert report.worst.searched == 96
    error = np.square(report.worst.drawn.astype(float) - report.worst.expected).mean()
    assert report.worst.psnr_db == pytest.approx(10 * np.log10(255**2 / error))
