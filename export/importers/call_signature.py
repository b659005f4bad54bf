"""Any module, called the one way that everything else knows: z (N, nz) [, label (N,)] -> (N, C, H, W)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from export.importers.outputs import picture_in

LabelEncoding = Literal["none", "index", "onehot", "onehot planes", "joined onehot"]
Layout = Literal["CHW", "HWC", "HW", "flat CHW", "flat HWC"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSignature:
    """What a module takes, and what it returns."""

    latent: tuple[int, ...]
    """Shape of one latent: (nz,), (nz, 1, 1), (16, 4, 4), …"""
    label: LabelEncoding = "none"
    classes: int | None = None
    layout: Layout = "CHW"
    image: tuple[int, int, int] = (0, 0, 0)
    """channels, height, width"""
    batch: int | None = None
    """The only batch size that the module takes, None if it takes any."""
    label_first: bool = False
    """Whether forward takes the label before the latent."""

    @property
    def latent_size(self) -> int:
        """nz: what is left for the latent beside a one-hot label that is joined to it."""
        joined = self.classes if self.label == "joined onehot" and self.classes is not None else 0
        size = 1
        for length in self.latent:
            size *= length
        return size - joined

    def describe(self) -> str:
        latent = ", ".join(str(length) for length in self.latent)
        label = "" if self.label == "none" else f" with the label as {self.label} of {self.classes}"
        batch = "" if self.batch is None else f", only in batches of {self.batch}"
        channels, height, width = self.image
        first = ", the label first" if self.label_first else ""
        return f"z (N, {latent}){label}{first} -> {channels}×{height}×{width} as {self.layout}{batch}"


class GeneratorAdapter(nn.Module):
    """`module`, called as its signature says. The attributes' names are in the exported file, as prefixes of the weights."""

    def __init__(self, module: nn.Module, signature: CallSignature) -> None:
        super().__init__()
        self.module, self.signature = module, signature

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.signature.batch is None:
            return self.pictures(z, label)
        batch = self.signature.batch  # a module that takes one batch size only: pad the batch, and drop the padding
        parts = []
        for start in range(0, len(z), batch):
            some = z[start : start + batch]
            fill = batch - len(some)
            labels = label[start : start + batch] if label is not None else None
            labels = torch.cat([labels, labels.new_zeros(fill)]) if labels is not None else None
            parts.append(self.pictures(torch.cat([some, some.new_zeros(fill, z.shape[1])]), labels)[: len(some)])
        return torch.cat(parts)

    def pictures(self, z: Tensor, label: Tensor | None) -> Tensor:
        return as_pictures(picture_in(self.module(*inputs(self.signature, z, label))), self.signature)


def inputs(signature: CallSignature, z: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
    """The module's arguments for z (N, nz) and label (N,)."""
    if label is None or signature.classes is None:
        return (z.reshape(-1, *signature.latent),)
    hot = one_hot(label, signature.classes).to(z.dtype) if signature.label != "index" else label
    match signature.label:
        case "joined onehot":
            return (torch.cat([z, hot], 1).reshape(-1, *signature.latent),)
        case "onehot planes":
            hot = hot[:, :, None, None]
    latents = z.reshape(-1, *signature.latent)
    return (hot, latents) if signature.label_first else (latents, hot)


def as_pictures(out: Tensor, signature: CallSignature) -> Tensor:
    """The module's output as (N, C, H, W)."""
    channels, height, width = signature.image
    if signature.layout in ("HWC", "flat HWC"):
        return out.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    return out.reshape(-1, channels, height, width)
