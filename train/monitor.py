"""Watching a run for what goes wrong in GANs, and deciding what to do about it.

| incident   | seen as                                                            | what is done                               |
|------------|--------------------------------------------------------------------|--------------------------------------------|
| not finite | a loss or gradient that is not finite                              | skip the step; roll back after 3 in a row  |
| collapse   | pictures alike, classes missing, or coverage lost                  | warn                                       |
| diverged   | the kernel distance is twice the best in 3 evaluations in a row    | stop; the best generator is kept           |
| d_overfit  | D says "real" to over 95 of 100 training pictures                  | augment more, at most five times           |
| frozen     | losses the same to four digits for 200 steps                       | stop                                       |

The thresholds are our own: no published code watches for any of this but the first. A test provokes every incident.
"""

from dataclasses import dataclass
from typing import Any, Literal

from train.config import Config
from train.scores.evaluator import Scores
from train.training_step import StepMetrics

Kind = Literal["not_finite", "collapse", "diverged", "d_overfit", "frozen"]
Action = Literal["warn", "roll_back", "augment", "stop", "abort"]

MAX_FAILED_STEPS = 3  # in a row
MAX_ROLLBACKS = 3
ALIKE = 0.5  # of the real pictures' spread
COVERAGE_LOST, COVERAGE_WORTH = 0.7, 0.1  # of the best coverage, once there is some to lose
CLASS_DISTANCE = 0.3
SETTLING = 0.5  # share of the run before which classes and spread are not expected to be there
DIVERGED_EVALUATIONS, DIVERGING_FROM = 3, 0.25  # in a row, once this share of the run is over: before, distances jump about
OVERFITTING = 0.9  # r = E[sign ℓ(x)]: 95 of 100 training pictures are taken for real
AUGMENT_TIMES, AUGMENT_PAUSE = 5, 500  # at most so often, with so many steps between
FROZEN_STEPS = 200

_STATE_KEYS = {
    "failed_steps": "faults",
    "rollbacks": "gone_back",
    "best_kernel": "best_kernel",
    "best_coverage": "best_coverage",
    "was_varied": "was_varied",
    "collapsed": "collapsed",
    "worse_evaluations": "worse_looks",
    "augmentations": "augmented",
    "augmented_at": "augmented_at",
    "last_losses": "last_losses",
    "unchanged_steps": "still",
}
"""Attribute and its key in a saved training state."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong: what was seen, in one line, and what to do about it."""

    kind: Kind
    message: str
    action: Action


class Monitor:
    """Call it after every step and every evaluation; it returns the incidents it sees. Its state is part of a checkpoint."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.failed_steps = 0
        self.rollbacks = 0
        self.best_kernel = float("inf")
        self.best_coverage = 0.0
        self.was_varied = False
        self.collapsed: list[str] = []
        self.worse_evaluations = 0
        self.augmentations = 0
        self.augmented_at = 0
        self.last_losses = (0.0, 0.0)
        self.unchanged_steps = 0

    def after_failed_step(self, message: str) -> Incident:
        """After a step that was not taken because `message`."""
        self.failed_steps += 1
        if self.failed_steps < MAX_FAILED_STEPS:
            return Incident("not_finite", f"{message}; the step was skipped", "warn")
        self.failed_steps = 0
        if self.rollbacks == MAX_ROLLBACKS:
            return Incident("not_finite", f"{message}, again after rolling back {MAX_ROLLBACKS} times", "abort")
        self.rollbacks += 1
        rolled_back = f"{MAX_FAILED_STEPS} in a row: rolled back to the last good weights at half the learning rate"
        return Incident("not_finite", f"{message}, {rolled_back}", "roll_back")

    def after_step(self, step: int, metrics: StepMetrics, overfitting: float) -> Incident | None:
        """`overfitting` is r = E[sign ℓ(x)] over some thousand real pictures."""
        self.failed_steps = 0
        losses = (round(metrics.loss_d, 4), round(metrics.loss_g, 4))
        self.unchanged_steps = self.unchanged_steps + 1 if losses == self.last_losses else 0
        self.last_losses = losses
        if self.unchanged_steps == FROZEN_STEPS:
            message = f"both losses have stayed at {losses[0]} and {losses[1]} for {FROZEN_STEPS} steps"
            return self._incident("frozen", message, "stop")
        if overfitting > OVERFITTING and step - self.augmented_at >= AUGMENT_PAUSE and self.augmentations < AUGMENT_TIMES:
            self.augmentations, self.augmented_at = self.augmentations + 1, step
            message = f"D takes {(1 + overfitting) / 2:.0%} of the training pictures for real: it has memorised them"
            return self._incident("d_overfit", message, "augment")
        return None

    def after_evaluation(self, scores: Scores, spread: float, real_spread: float, progress: float) -> list[Incident]:
        """`spread` is the scored pictures' mean distance from each other; `progress` 0..1 through the run."""
        collapse = self._collapse(scores, spread / real_spread, progress)
        incidents = [Incident("collapse", message, "warn") for message in collapse]
        if progress > DIVERGING_FROM and scores.kernel > 2 * max(self.best_kernel, 0.0) + 3 * scores.kernel_sd:
            self.worse_evaluations += 1
        else:
            self.worse_evaluations = 0
        if self.worse_evaluations == DIVERGED_EVALUATIONS:
            rise = f"the kernel distance rose from {self.best_kernel:.3g} to {scores.kernel:.3g}"
            incidents.append(self._incident("diverged", f"{rise} over {DIVERGED_EVALUATIONS} evaluations in a row", "stop"))
        self.best_kernel = min(self.best_kernel, scores.kernel)
        self.best_coverage = max(self.best_coverage, scores.coverage)
        return incidents

    def _collapse(self, scores: Scores, spread: float, progress: float) -> list[str]:
        """Signs of a collapse that the evaluation before did not show."""
        settled = progress > SETTLING
        signs: dict[str, str] = {}
        if spread < ALIKE and (self.was_varied or settled):
            signs["alike"] = f"the pictures differ {spread:.0%} as much as real ones do"
        if scores.class_distance > CLASS_DISTANCE and settled:
            signs["classes"] = f"{scores.class_distance:.0%} of the pictures would have to change class"
        if self.best_coverage > COVERAGE_WORTH and scores.coverage < COVERAGE_LOST * self.best_coverage:
            signs["coverage"] = f"coverage fell from {self.best_coverage:.2f} to {scores.coverage:.2f}"
        self.was_varied |= spread >= ALIKE
        new = [message for name, message in signs.items() if name not in self.collapsed]
        self.collapsed = list(signs)
        return new

    def _incident(self, kind: Kind, message: str, action: Action) -> Incident:
        return Incident(kind, message, action if self.config.intervene else "warn")

    def state_dict(self) -> dict[str, Any]:
        return {key: getattr(self, name) for name, key in _STATE_KEYS.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, key in _STATE_KEYS.items():
            setattr(self, name, state[key])
