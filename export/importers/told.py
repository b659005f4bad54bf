"""What a file says itself about its network, where it says all that an exporter needs: then nothing is tried out."""

from dataclasses import dataclass

from export.importers.call_signature import CallSignature
from export.importers.request import ImportRequest
from gansample.bundle.basis import Fact
from gansample.bundle.spec import ValueRange
from gansample.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How the network is called and what it draws."""

    signature: CallSignature
    value_range: ValueRange
    by: str
    """Who tells the range, and that latents are normal."""
    facts: tuple[Fact, ...]
    noise_settled: bool = False
    """Whether the network draws no noise, as --noise or its file says."""


def check_options(name: str, signature: CallSignature, request: ImportRequest, *, any_planes: bool = False) -> None:
    """Raise UsageError for an option that says otherwise than the file about a network called `name`.

    any_planes  whether it takes latents of any height and width, so that --latent-shape decides the picture's size
    """
    image, latent = request.image, request.latent_shape
    if request.chain is not None:
        raise UsageError("--chain describes a network that is not known by name", f"leave it out: this is a {name}")
    if image is not None and image != signature.image:
        said, drawn = "x".join(map(str, image)), "x".join(map(str, signature.image))
        hint = "choose the size with --latent-shape CxHxW" if any_planes else "leave it out"
        raise UsageError(f"--image {said}: this {name} draws {drawn}", hint)
    if latent is not None and not any_planes and latent not in (signature.latent, (*signature.latent, 1, 1)):
        said, taken = "x".join(map(str, latent)), "x".join(map(str, signature.latent))
        raise UsageError(f"--latent-shape {said}: this {name} takes {taken}", "leave it out")
    if request.classes is not None and signature.classes is not None and request.classes != signature.classes:
        raise UsageError(f"--classes {request.classes}: this {name} has {signature.classes}", "leave it out")
