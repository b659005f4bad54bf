"""What a network seems to be that draws from no latent."""

import torch
from torch import Tensor, nn

from export.importers.call_signature import CallSignature
from export.importers.module_sizes import latent_sizes
from export.importers.outputs import picture_in
from export.importers.trial_call import Trial
from gansample.errors import ArtefactError, UsageError


def no_generator(module: nn.Module, name: str, trial: Trial) -> ArtefactError | UsageError:
    """The error that says so.

    trial  the calls so far, whose last error is named where the network takes nothing at all.
    """
    for channels in (1, 3, 4):
        for side in (28, 32, 64, 128, 256):
            picture = torch.zeros(2, channels, side, side)
            for count in (1, 2):
                drawn = _call_or_none(module, (picture,) * count)
                if drawn is None:
                    continue
                takes = f"takes {count} {channels}×{side}×{side} picture{'s' * (count - 1)}"
                if drawn.dim() == 4 and drawn.shape[-1] > 8:
                    hint = "only what draws from a latent is exported: if a method or part of it does, pass --call NAME"
                    return ArtefactError(f"{name} is an image-to-image network ({takes})", hint)
                gives = " × ".join(str(size) for size in drawn.shape[1:]) or "1"
                return ArtefactError(
                    f"{name} looks like a discriminator or classifier ({takes}, gives {gives} number)", "pass the generator"
                )
    hints, errors = trial.hints, list(trial.errors)
    sizes = (
        [hints.latent] if hints.latent else [(size,) for size in latent_sizes(module, hints.values, hints.classes) if size > 1]
    )
    for latent in sizes:
        drawn = trial.draw(module, CallSignature(latent=latent))
        if drawn is not None:
            wanted = "no {}×{}×{} picture".format(*hints.image) if hints.image else "no picture"
            return ArtefactError(
                f"{name} gives {tuple(drawn.shape)} for latents (N, {latent[0]}), {wanted}",
                "pass --image CxHxW, or another class",
            )
    reason = errors[-1][:160] if errors else "it has no layer that could take a latent"
    hint = "say its shape: --latent-shape 100 or --latent-shape 16x4x4"
    return UsageError(f"found no latent that {name} takes ({reason})", hint)


def _call_or_none(module: nn.Module, pictures: tuple[Tensor, ...]) -> Tensor | None:
    try:
        return picture_in(module(*pictures))
    except Exception:  # any failure means: it does not take that either
        return None
