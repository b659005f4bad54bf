"""The generator of the PyTorch DCGAN tutorial: 100 latents, width 64, pictures 3×64×64, 3.6 M parameters."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from export.export_model import ExportModel
from gansample.bundle.spec import Spec
from gansample.errors import ArtefactError


class Generator(nn.Module):
    """z (N, nz) -> (N, 3, 64, 64) in −1..1."""

    def __init__(self, nz: int = 100, ngf: int = 64, channels: int = 3) -> None:
        super().__init__()
        widths = [ngf * 8, ngf * 4, ngf * 2, ngf]
        layers: list[nn.Module] = []
        for before, after in zip([nz, *widths], [*widths, channels], strict=True):
            stride, pad = (2, 1) if layers else (1, 0)
            layers.append(nn.ConvTranspose2d(before, after, 4, stride, pad, bias=False))
            layers += [nn.BatchNorm2d(after), nn.ReLU()] if after != channels else [nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        pictures: Tensor = self.main(z[:, :, None, None])
        return pictures


def dcgan64_generator(weights: Path | None) -> ExportModel:
    """The generator with the weights of a state dict, or with seeded random weights and settled BatchNorm statistics.

    Raises ArtefactError where the file is no state dict of this network.
    """
    torch.manual_seed(0)
    network = Generator()
    if weights is not None:
        try:
            network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
        except (OSError, RuntimeError, ValueError) as error:
            raise ArtefactError(f"{weights} is no DCGAN-64 state dict ({str(error).splitlines()[0]})") from None
    else:
        for layer in network.modules():
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, 0.02)
        with torch.no_grad():
            for _ in range(30):
                network.train()(torch.randn(64, 100))
    return ExportModel(network, Spec(name="dcgan64", latent_size=100, height=64, width=64, channels=3))


def export_dcgan64(folder: Path, weights: Path | None) -> dict[str, float | None]:
    """Write `folder`/bundle and `folder`/plain.onnx, which is what torch.onnx.export gives.

    Returns each variant's PSNR to float64 in dB, before rounding to 8 bits; None where it is infinite.
    """
    from export.build import build_bundle
    from export.parity.verdict import finite
    from gansample.cli.log import log_to_stderr

    generator = dcgan64_generator(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            generator.network,
            (torch.zeros(2, 100),),
            folder / "plain.onnx",
            input_names=["z"],
            dynamic_shapes={"z": {0: torch.export.Dim("N", min=1, max=4096)}},
            external_data=False,
            verbose=False,
        )
    log_to_stderr("benchmarks")
    result = build_bundle(generator, folder / "bundle")
    return {report.variant: finite(report.unrounded_psnr_db) for report in result.reports}
