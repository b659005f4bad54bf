"""A class that has a mapping and a synthesis beside its forward: known by its attributes, and believed once they are measured.

`mapping`, `synthesis` and `w_avg` as in `export.mapping.HasMapping`; `w_avg` may also be the mapping's own, as in NVIDIA's
code. Both are called as forward is: with the label in its form and place.
"""

import copy

import torch
from torch import Tensor, nn

from export.importers.call_forms import CallForm, CallsPart
from export.importers.call_signature import CallSignature, GeneratorAdapter, as_pictures, inputs
from export.importers.import_log import ImportLog
from export.importers.noise import NoiseReplaced, NoiseSeeded
from export.importers.outputs import picture_in

NEAR = 1e-4  # of the pictures' largest value, in float32: psi 1 through both parts is forward's own picture


class StyleAdapter(GeneratorAdapter):
    """A `GeneratorAdapter` in two parts; what it computes is `HasMapping`."""

    w_avg: Tensor

    def __init__(self, module: nn.Module, signature: CallSignature, w_avg: Tensor) -> None:
        super().__init__(module, signature)
        self.register_buffer("w_avg", w_avg.detach().clone(), persistent=False)

    def mapping(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Styles (N, layers, size)."""
        w: Tensor = _through(self.module, "mapping")(*inputs(self.signature, z, label))
        return w

    def synthesis(self, w: Tensor) -> Tensor:
        """Pictures (N, C, H, W)."""
        return as_pictures(picture_in(_through(self.module, "synthesis")(w)), self.signature)


@torch.no_grad()
def with_style_parts(adapter: GeneratorAdapter, z: Tensor, label: Tensor | None, log: ImportLog) -> GeneratorAdapter:
    """`adapter` as a `StyleAdapter` where its class has the two parts and they draw what forward draws; why not, in the log.

    z, label  latents (N, nz) [and labels (N,)] to try it with
    """
    network = _network(adapter.module)
    w_avg = _mean_style(network)
    if w_avg is None or not all(callable(getattr(network, part, None)) for part in ("mapping", "synthesis")):
        return adapter
    if reason := _mismatch(adapter, w_avg, z, label):
        log.warn(f"its mapping is not used, so that there is no psi: {reason}")
        return adapter
    styled = StyleAdapter(adapter.module, adapter.signature, w_avg)
    layers, size = styled.mapping(z, label).shape[1:]
    log.measured(f"forward is synthesis(mapping(z)), with {layers} styles of {size}: psi, mixed styles and walks in W apply")
    return styled.eval()


def _mean_style(network: nn.Module) -> Tensor | None:
    found = [getattr(owner, "w_avg", None) for owner in (network, getattr(network, "mapping", None))]
    return next((value for value in found if isinstance(value, Tensor) and value.is_floating_point()), None)


def _mismatch(adapter: GeneratorAdapter, w_avg: Tensor, z: Tensor, label: Tensor | None) -> str | None:
    """Why the two parts are not what forward is made of; None where they are."""
    if adapter.signature.batch is not None:
        return f"forward takes batches of {adapter.signature.batch} only"
    if isinstance(adapter.module, NoiseSeeded):
        return "its noise is part of the latent (--noise none or fixed leaves it its mapping)"
    styled = StyleAdapter(adapter.module, adapter.signature, w_avg)
    try:
        w = styled.mapping(z, label)
        if not isinstance(w, Tensor) or w.ndim != 3 or len(w) != len(z):
            return f"mapping gives {tuple(getattr(w, 'shape', ()))}, not (N, layers, size)"
        if w_avg.shape not in (w.shape[1:], w.shape[2:]):
            return f"w_avg has shape {tuple(w_avg.shape)}, and styles {tuple(w.shape[1:])}"
        drawn, wanted = styled.synthesis(w), adapter(z, label)
    except Exception as error:  # a foreign part may raise anything
        return f"called as forward is, it raises {type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    if drawn.shape != wanted.shape or not (drawn - wanted).abs().max() <= NEAR * wanted.abs().max():
        return "forward draws other pictures than synthesis(mapping(z)), as with a truncation of its own"
    return None


def _network(module: nn.Module) -> nn.Module:
    """The user's own, without what was put around it."""
    while isinstance(module, CallForm | NoiseReplaced | NoiseSeeded):
        module = module.module
    return module


def _through(module: nn.Module, part: str) -> nn.Module:
    """`part` of the network in the place of all of it: with its noise replaced; the mapping also called as forward is."""
    if not isinstance(module, CallForm | NoiseReplaced):
        return CallsPart(module, part)
    if isinstance(module, CallForm) and part == "synthesis":
        return _through(module.module, part)
    form = copy.copy(module)
    form._modules = {**module._modules, "module": _through(module.module, part)}
    return form
