"""The README's six figures, from the benchmarks' files and the head of requirements.lock."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import documents, engines, sampling, service, training
from benchmarks.documents import Document

LOCK = Path(__file__).parents[1] / "requirements.lock"


@dataclass(frozen=True)
class Language:
    """The table's words, and each row as a format of its figures."""

    heading: str
    cold: str
    exact: str
    int8: str
    service: str
    training: str
    light: str
    where: str


ENGLISH = Language(
    heading="| what | measured | beside |",
    cold="| from nothing to 64 pictures in a PNG, whole process | {ours:.2f} s |"
    " {script:.2f}× a script of onnxruntime and Pillow; {torch:.2f}× the same in PyTorch |",
    exact="| drawing, exact (`onnx-fp32`) | {rate:,.0f} pictures/s, {decibels:.1f} dB to PyTorch float64 |"
    " {ratio:.2f}× PyTorch eager |",
    int8="| drawing, fast (`openvino-int8`) | {rate:,.0f} pictures/s, {decibels:.1f} dB | {ratio:.2f}× PyTorch eager |",
    service="| `gan serve`, one picture a request, 16 clients | {rate:,.0f} requests/s | {ratio} |",
    training="| a training step (`modern`, bf16) | {rate:,.0f} pictures/s | {ratio:.2f}× the loop of PyTorch's tutorial |",
    light="| installed to draw: `gansample[cpu]` | {draw} | to train and export: {export} more |",
    where="DCGAN-64 (3.6 M parameters), two cores of {processor}, {dates}; the ratios of a row are from one run.",
)
CHINESE = Language(
    heading="| 内容 | 实测 | 对照 |",
    cold="| 从零到一张 64 图的 PNG，整个进程 | {ours:.2f} 秒 |"
    " onnxruntime + Pillow 脚本的 {script:.2f} 倍时间；PyTorch 脚本的 {torch:.2f} 倍时间 |",
    exact="| 绘图，精确（`onnx-fp32`） | {rate:,.0f} 张/秒，与 PyTorch float64 相比 {decibels:.1f} dB | PyTorch eager 的"
    " {ratio:.2f} 倍 |",
    int8="| 绘图，快速（`openvino-int8`） | {rate:,.0f} 张/秒，{decibels:.1f} dB | PyTorch eager 的 {ratio:.2f} 倍 |",
    service="| `gan serve`，每个请求一张图，16 个客户端 | {rate:,.0f} 次/秒 | {ratio} |",
    training="| 一个训练步（`modern`，bf16） | {rate:,.0f} 张/秒 | PyTorch 教程循环的 {ratio:.2f} 倍 |",
    light="| 绘图所需的安装：`gansample[cpu]` | {draw} | 训练和导出另需：{export} |",
    where="DCGAN-64（360 万参数），{processor} 的两个核心，{dates}；同一行的比值来自同一次运行。",
)


def table(language: Language) -> str:
    cold, speed = documents.load(sampling.RESULT), documents.load(engines.RESULT)
    load, steps = documents.load(service.RESULT), documents.load(training.RESULT)
    measured = (cold, speed, load, steps)
    rows = [
        _cold(language.cold, cold),
        _variant(language.exact, speed, "onnx-fp32"),
        _variant(language.int8, speed, "openvino-int8"),
        _service(language.service, load),
        _variant(language.training, steps, "modern, bf16"),
        language.light.format(draw=_packages("draw"), export=_packages("export")),
    ]
    where = language.where.format(
        processor=_every(measured, lambda each: str(each["machine"]["processor"])),
        dates=_every(measured, lambda each: str(each["machine"]["date"])),
    )
    return "\n".join([language.heading, "|---|---:|---|", *rows, "", where])


def _cold(form: str, document: Document) -> str:
    seconds = {row["name"]: row["seconds"] for row in document["cold"]}
    ours = seconds["gansample, DCGAN-64"]
    script, torch = (seconds[f"script: {name}, DCGAN-64"] for name in ("onnxruntime + Pillow", "PyTorch"))
    return form.format(ours=ours, script=ours / script, torch=ours / torch)


def _variant(form: str, document: Document, name: str) -> str:
    (row,) = (row for row in document["rows"] if row["name"] == name)
    return form.format(rate=row["images_per_second"], ratio=row["ratio"], decibels=row.get("psnr_db", float("nan")))


def _service(form: str, document: Document) -> str:
    ratio = service.to_litserve(document)
    return form.format(
        rate=document["single"][0]["per_second"], ratio=f"{ratio:.2f}× LitServe" if ratio is not None else "LitServe: NOT RUN"
    )


def _packages(name: str) -> str:
    """What the lock says of a set: "20 packages, 280 MB"."""
    found = re.search(rf"^# {name}: (.*) on disk$", LOCK.read_text(encoding="utf-8"), re.M)
    if found is None:
        raise ValueError(f"{LOCK.name} does not say what {name} brings: make lock")
    return found[1]


def _every(measured: tuple[Document, ...], value: Callable[[Document], str]) -> str:
    return ", ".join(sorted({value(document) for document in measured}))
