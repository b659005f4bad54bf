"""Every text of the page, in English and in Simplified Chinese. Gradio picks by the visitor's browser."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

ENGLISH: Mapping[str, str] = {
    "title": "# One seed, one picture.",
    "lede": "A trained generator draws each of these from nothing but its number. "
    "Same number, same picture: on any machine, in any batch.",
    "colophon": "Every picture is a PNG that carries its seed and its model's digest.",
    "generator": "Generator",
    "class": "Class",
    "seed": "Seed",
    "roll": "Roll",
    "back": "Back",
    "pictures": "Pictures",
    "truncation": "Truncation",
    "truncation_info": "0 is off; below 2 fewer odd pictures, near 0 all alike",
    "precision": "Precision",
    "precision_info": "exact: within one 8-bit step of PyTorch; fast: the quickest that passed its gate",
    "draw": "Draw",
    "generate": "Generate",
    "explore": "Explore",
    "contact": "Contact sheet",
    "fidelity": "Fidelity",
    "about": "About",
    "each": "each in turn",
    "exact": "exact",
    "fast": "fast",
    "link": "Link to this view",
    "hint": "Click a picture to enlarge it. Explore then shows its neighbours and, "
    "once you have clicked two, the interpolation between them.",
    "neighbours": "Neighbours",
    "neighbours_info": "Variations of one picture, each as likely as any other.",
    "centre": "Seed in the middle",
    "radius": "Radius",
    "vary": "Show neighbours",
    "morph": "From one to another",
    "morph_info": "Spherical interpolation of the latents: the slider shows any point of it, the film all of it.",
    "from": "From seed",
    "to": "To seed",
    "way": "Share of the way",
    "film": "Make a film",
    "film_form": "As",
    "film_file": "The film",
    "mix": "A + B − C",
    "mix_info": "Latent arithmetic: seeds with signs.",
    "mix_seeds": "Seeds",
    "add": "Add up",
    "contact_info": "Seeds 0 to 99. Click one to use it.",
    "check": "Check on this machine",
    "fidelity_info": "What PyTorch drew in float64 at export, what each engine draws on this machine, and their difference, "
    "amplified. The verdict is that of gan verify.",
    "receipts": "How it was trained, and its receipts",
    "learned": "Share of the training",
    "previews": "Previews of the training are not part of a bundle, and its run is not on this machine: the run's own "
    "`report.html` has them, with a slider.",
}
CHINESE: Mapping[str, str] = {
    "title": "# 一个种子，一张图。",
    "lede": "训练好的生成器只凭一个数字画出每一张图。同样的数字，同样的图：不论在哪台机器上，也不论一批画多少张。",
    "colophon": "每张图都是 PNG，内含自己的种子和模型摘要。",
    "generator": "生成器",
    "class": "类别",
    "seed": "种子",
    "roll": "随机",
    "back": "返回",
    "pictures": "张数",
    "truncation": "截断",
    "truncation_info": "0 为关闭；小于 2 时怪图更少，接近 0 时张张相似",
    "precision": "精度",
    "precision_info": "精确：与 PyTorch 相差至多一个 8 位级；快速：通过检验的最快版本",
    "draw": "绘制",
    "generate": "生成",
    "explore": "探索",
    "contact": "样张",
    "fidelity": "保真度",
    "about": "关于",
    "each": "依次各类",
    "exact": "精确",
    "fast": "快速",
    "link": "此视图的链接",
    "hint": "点击图片可放大。“探索”随后显示与它邻近的图；点过两张后，还显示两者之间的插值。",
    "neighbours": "邻近的图",
    "neighbours_info": "同一张图的变体，每一个都与其他图同样可能。",
    "centre": "中心种子",
    "radius": "半径",
    "vary": "显示邻居",
    "morph": "从一张到另一张",
    "morph_info": "隐变量的球面插值：滑块显示其中任意一点，影片保存全程。",
    "from": "起始种子",
    "to": "目标种子",
    "way": "走过的比例",
    "film": "制作影片",
    "film_form": "格式",
    "film_file": "影片",
    "mix": "A + B − C",
    "mix_info": "隐变量运算：带符号的种子。",
    "mix_seeds": "种子",
    "add": "相加",
    "contact_info": "种子 0 到 99。点击一张即可使用。",
    "check": "在本机立即检查",
    "fidelity_info": "导出时 PyTorch 以 float64 画的图、各引擎在本机画的图，以及放大后的差异。结论与 gan verify 相同。",
    "receipts": "训练方式与检验记录",
    "learned": "训练进度",
    "previews": "训练预览图不属于模型包，这台机器上也没有它的训练目录：那里的 `report.html` 有这些图，带滑块。",
}

LANGUAGES = gr.I18n(**{"en": dict(ENGLISH), "zh-CN": dict(CHINESE), "zh": dict(CHINESE)})


def localized(key: str) -> Any:
    """The text for `key`, which Gradio translates in the visitor's browser."""
    assert key in ENGLISH, key
    return LANGUAGES(key)
