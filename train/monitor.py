"""A run that watches itself: what goes wrong in GANs, seen while it happens, with what is done about it.

| fault      | seen as                                                      | what is done                            |
|------------|--------------------------------------------------------------|-----------------------------------------|
| not finite | a loss or gradient that is no number                         | skip the step; after 3 in a row go back |
| collapse   | pictures alike, classes missing, or coverage lost            | warn, with the picture to look at       |
| diverged   | the kernel distance is twice the best, three looks in a row  | stop; the best generator is kept        |
| d_overfit  | D says "real" to over 95 of 100 training pictures            | augment more, five times at most        |
| frozen     | losses the same to four digits for 200 steps                 | stop                                    |

The thresholds are our own: no published code watches for any of this but the first. Every one is provoked in a test.
"""

from dataclasses import dataclass
from typing import Any, Literal

from train.config import Config
from train.scores.evaluator import Scores
from train.training_step import Reading

Action = Literal["warn", "go_back", "augment", "stop", "give_up"]

FAULTS_IN_A_ROW = 3
GOING_BACK = 3  # times; after that the run gives up instead of trying for ever
ALIKE = 0.5  # of the real pictures' spread
COVERAGE_LOST, COVERAGE_WORTH = 0.7, 0.1  # of the best coverage, once there is some to lose
CLASS_DISTANCE = 0.3
SETTLING = 0.5  # share of the run before which classes and spread are not expected to be there
DIVERGED_LOOKS, DIVERGING_FROM = 3, 0.25  # in a row, once this share of the run is over: before, distances jump about
OVERFITTING = 0.9  # r = E[sign ℓ(x)]: 95 of 100 training pictures are taken for real
AUGMENT_TIMES, AUGMENT_PAUSE = 5, 500  # at most so often, with so many steps between
FROZEN_STEPS = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: what was seen, in one line, and what is to be done."""

    kind: Literal["not_finite", "collapse", "diverged", "d_overfit", "frozen"]
    message: str
    action: Action


class Watch:
    """Told of every step and every look; answers with what it found. Its memory is part of a checkpoint."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.faults = 0
        self.gone_back = 0
        self.best_kernel = float("inf")
        self.best_coverage = 0.0
        self.was_varied = False
        self.collapsed: list[str] = []
        self.worse_looks = 0
        self.augmented = 0
        self.augmented_at = 0
        self.last_losses = (0.0, 0.0)
        self.still = 0

    def fault(self, message: str) -> Finding:
        """A step that could not be taken."""
        self.faults += 1
        if self.faults < FAULTS_IN_A_ROW:
            return Finding("not_finite", f"{message}; the step was skipped", "warn")
        self.faults = 0
        if self.gone_back == GOING_BACK:
            return Finding("not_finite", f"{message}, again after going back {GOING_BACK} times", "give_up")
        self.gone_back += 1
        return Finding(
            "not_finite", f"{message}, {FAULTS_IN_A_ROW} in a row: back to the last good weights at half the rate", "go_back"
        )

    def step(self, step: int, reading: Reading, overfitting: float) -> Finding | None:
        """After a step. `overfitting` is r = E[sign ℓ(x)] over some thousand real pictures."""
        self.faults = 0
        losses = (round(reading.loss_d, 4), round(reading.loss_g, 4))
        self.still = self.still + 1 if losses == self.last_losses else 0
        self.last_losses = losses
        if self.still == FROZEN_STEPS:
            return self._found(
                "frozen", f"both losses have stood at {losses[0]} and {losses[1]} for {FROZEN_STEPS} steps", "stop"
            )
        if overfitting > OVERFITTING and step - self.augmented_at >= AUGMENT_PAUSE and self.augmented < AUGMENT_TIMES:
            self.augmented, self.augmented_at = self.augmented + 1, step
            share = (1 + overfitting) / 2
            return self._found(
                "d_overfit", f"D takes {share:.0%} of the training pictures for real: it knows them by heart", "augment"
            )
        return None

    def look(self, scores: Scores, spread: float, real_spread: float, progress: float) -> list[Finding]:
        """After pictures were scored. `spread` is their mean distance from each other; `progress` 0..1 through the run."""
        findings = [Finding("collapse", message, "warn") for message in self._collapse(scores, spread / real_spread, progress)]
        if progress > DIVERGING_FROM and scores.kernel > 2 * max(self.best_kernel, 0.0) + 3 * scores.kernel_sd:
            self.worse_looks += 1
        else:
            self.worse_looks = 0
        if self.worse_looks == DIVERGED_LOOKS:
            message = (
                f"kernel distance {scores.kernel:.3g} after {self.best_kernel:.3g}, worse for {DIVERGED_LOOKS} looks in a row"
            )
            findings.append(self._found("diverged", message, "stop"))
        self.best_kernel = min(self.best_kernel, scores.kernel)
        self.best_coverage = max(self.best_coverage, scores.coverage)
        return findings

    def _collapse(self, scores: Scores, spread: float, progress: float) -> list[str]:
        """What speaks for a collapse now and did not at the look before."""
        settled = progress > SETTLING
        seen: dict[str, str] = {}
        if spread < ALIKE and (self.was_varied or settled):
            seen["alike"] = f"the pictures differ {spread:.0%} as much as real ones do"
        if scores.class_distance > CLASS_DISTANCE and settled:
            seen["classes"] = f"{scores.class_distance:.0%} of the pictures would have to change class"
        if self.best_coverage > COVERAGE_WORTH and scores.coverage < COVERAGE_LOST * self.best_coverage:
            seen["coverage"] = f"coverage fell from {self.best_coverage:.2f} to {scores.coverage:.2f}"
        self.was_varied |= spread >= ALIKE
        new = [message for name, message in seen.items() if name not in self.collapsed]
        self.collapsed = list(seen)
        return new

    def _found(self, kind: Literal["diverged", "d_overfit", "frozen"], message: str, action: Action) -> Finding:
        return Finding(kind, message, action if self.config.intervene else "warn")

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "config"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
