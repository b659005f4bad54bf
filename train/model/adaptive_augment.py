"""Adaptive augmentation: as much of it as D's overfitting calls for, and no more.

Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3: a D that has memorised the training
pictures answers "real" for nearly all of them, r = E[sign ℓ(x)] → 1.
"""

from typing import Any

EVERY = 4  # steps between adjustments
CEILING = 0.8  # beyond it augmentations leak into the samples
JUMP = 0.1
RUN_SHARE = 0.1  # the probability can go from 0 to 1 in this share of the run (the paper's 500k pictures would outlast ours)


class AdaptiveAugmentation:
    """The probability of augmentation: fixed without a target, else moved so that r meets it."""

    def __init__(self, probability: float, target: float, images_total: int) -> None:
        self.probability, self.target, self.images_total = probability, target, images_total
        self.ceiling = max(CEILING, probability)
        self.overfitting = 0.0
        """r = E[sign ℓ(x)], −1..1, a running mean over some thousand real pictures."""
        self._signs, self._steps = 0.0, 0

    def observe(self, mean_sign: float, batch: int) -> None:
        """Call with the mean sign of D's logits for the real pictures of one step."""
        self.overfitting += min(1.0, batch / 2000) * (mean_sign - self.overfitting)
        self._signs += mean_sign
        self._steps += 1
        if self._steps == EVERY:
            if self.target:
                step = EVERY * batch / (RUN_SHARE * self.images_total)
                self.raise_by(step if self._signs / EVERY > self.target else -step)
            self._signs, self._steps = 0.0, 0

    def raise_by(self, amount: float) -> None:
        self.probability = min(self.ceiling, max(0.0, self.probability + amount))

    def raise_once(self) -> None:
        """A jump, where D has overfitted all the same: from none to some, or from some to more."""
        self.raise_by(JUMP)

    def state_dict(self) -> dict[str, Any]:
        return {**vars(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
