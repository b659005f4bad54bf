"""PyTorch on a CPU as its users speed it up: eager, autocast, the whole model in bf16, torch.compile, AOTInductor.

`freezing` lets inductor fold BatchNorm and lay weights out for its kernels. All draw the pictures, uint8 (N, H, W, C).
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from benchmarks.dcgan64 import dcgan64_generator
from benchmarks.rates import Draw
from export.export_model import PixelHead
from gansample.latents import latents


class Pictures(nn.Module):
    """z float32 (N, 100) -> uint8 (N, 64, 64, 3); the network computes in `dtype`, the head in float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype, self.head = network.to(dtype), dtype, PixelHead("tanh")

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.head(self.network(z.to(self.dtype)).float()).round().to(torch.uint8)
        return pictures


def open_torch(name: str, weights: Path | None, batch: int, threads: int) -> Draw:
    """The contestant `name`, in a process that measures nothing else: inductor's settings are the process's."""
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    network = dcgan64_generator(weights).network
    if "bf16" in name:
        convert_conv2d_weight_memory_format(network, torch.channels_last)
    autocast = name == "pytorch-bf16-channels-last"
    pictures = Pictures(network, torch.bfloat16 if "bf16" in name and not autocast else torch.float32).eval()
    z = torch.from_numpy(latents(range(batch), 100))
    draw = _prepared(name, pictures, z)

    def drawn() -> object:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return draw(z)

    return drawn


def _prepared(name: str, pictures: Pictures, z: Tensor) -> Callable[[Tensor], object]:
    import torch._inductor.config as inductor

    inductor.freezing = "freezing" in name
    if name.startswith("torch-compile"):
        return torch.compile(pictures)
    if name.startswith("aot-inductor"):
        program = torch.export.export(pictures, (z,))
        with tempfile.TemporaryDirectory() as folder:
            package = torch._inductor.aoti_compile_and_package(
                program, package_path=f"{folder}/pictures.pt2", inductor_configs={"freezing": True}
            )
            return torch._inductor.aoti_load_package(package)
    return pictures
