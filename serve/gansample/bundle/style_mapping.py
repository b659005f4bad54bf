"""What a bundle says about a mapping: the network that makes styles of latents, as StyleGAN's does.

Two graphs, because psi, mixed styles and walks all happen between them: z [, label], psi ──mapping.onnx──▶ w, and then
w ──generator.onnx──▶ images. The mapping is small, and always computed in float32 on the processor; what draws takes w, in
every runtime and precision, as another generator's graph takes z.
"""

from dataclasses import dataclass
from typing import Any

from gansample.bundle.fields import FieldReader
from gansample.errors import ArtefactError, UsageError

MAPPING = "mapping.onnx"
MAX_PSI = 2.0  # beyond it, and below its negative, no layer has seen such a style
MAX_LAYERS, MAX_SIZE, MAX_NUMBERS = 1 << 10, 1 << 14, 1 << 20  # StyleGAN2 has 18 of 512 at 1,024 × 1,024


def check_psi(psi: float) -> None:
    """Raise UsageError for a psi that is no number, or beyond ±MAX_PSI."""
    if not -MAX_PSI <= psi <= MAX_PSI:
        raise UsageError(
            f"psi is {psi}", f"it must be from {-MAX_PSI:g} to {MAX_PSI:g}: 1 changes nothing, 0 is the mean picture"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleMapping:
    """`z` float32 (N, latent_size) [, `label` int64 (N,)], `psi` float32 (N,) -> `w` float32 (N, layers, size).

    psi  how far a style lies from the mean style (0) to its own (1): w = (1 - psi) * w_avg + psi * mapping(z), the truncation
         trick in W of Karras et al. 2019, section 3.2.
    """

    layers: int
    """Styles of one picture: what the layers of the synthesis network are given one by one."""
    size: int
    """Numbers in one style."""
    sha256: str
    """Digest of mapping.onnx. It stands in generator.onnx too, whose own digest is thereby the whole model's."""

    def to_dict(self) -> dict[str, Any]:
        return {"layers": self.layers, "size": self.size, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, data: Any, source: str) -> "StyleMapping":
        """Read what `to_dict` wrote. Raises ArtefactError naming `source` and the field that is missing or wrong."""
        read = FieldReader(data, f"{source}: mapping")
        sha256 = str(read.required("sha256", str))
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ArtefactError(f"{source}: mapping.sha256 is {sha256[:70]!r}, which is no digest", "export again")
        layers, size = read.integer("layers", 1, MAX_LAYERS), read.integer("size", 1, MAX_SIZE)
        if layers * size > MAX_NUMBERS:
            raise ArtefactError(f"{source}: {layers} styles of {size} are more than {MAX_NUMBERS:,} numbers", "export again")
        return cls(layers=layers, size=size, sha256=sha256)
