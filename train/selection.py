"""Which generator a run exports: candidates are scored at intervals, and the best one is kept.

Every candidate is the averaged generator exactly as it would be exported. Selection scores on one range of seeds; the final
score uses another, which selection never saw.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from train.config import Config
from train.model.latents import GeneratorInputs, LatentSpace
from train.model.networks import Generator, generate_images
from train.model.pixels import to_bytes
from train.scores.evaluator import Evaluator, Scores

PREVIEW_SEEDS = range(64)  # the pictures that `gansample --n 64` draws from the exported bundle
SCORE_SEEDS = range(1_000_000, 2_000_000)
FINAL_SEEDS = range(2_000_000, 3_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredGenerator:
    """A generator as it would be exported, and its scores."""

    step: int
    images_seen: int
    generator: Generator
    scores: Scores


class Selector:
    """Scores candidates with one evaluator and remembers the `selected` one."""

    def __init__(self, evaluator: Evaluator, space: LatentSpace, config: Config) -> None:
        self.evaluator = evaluator
        self.selected: ScoredGenerator | None = None
        self.best: Scores | None = None
        """The smallest kernel distance so far."""
        self._space, self._config = space, config

    def score(self, generator: Generator, seeds: range) -> tuple[Scores, Tensor]:
        """The scores of the pictures of `seeds`, and these pictures, uint8 (N, C, H, W)."""
        inputs = self._space.inputs_for_scoring(seeds)
        images = self._images(generator, inputs)
        return self.evaluator.score(images, inputs.labels), images

    def score_candidate(self, generator: Generator) -> tuple[Scores, Tensor]:
        return self.score(generator, SCORE_SEEDS[: self.evaluator.images_wanted])

    def score_final(self, generator: Generator) -> tuple[Scores, Tensor]:
        return self.score(generator, FINAL_SEEDS[: self.evaluator.images_wanted_final])

    def preview(self, generator: Generator) -> Tensor:
        """The pictures of seeds 0 to 63, uint8 (64, C, H, W)."""
        return self._images(generator, self._space.inputs_for_seeds(PREVIEW_SEEDS))

    def select(self, candidate: ScoredGenerator) -> bool:
        """Whether `candidate` replaces the selected generator."""
        if not self.is_selected(candidate.scores):
            return False
        self.selected = candidate
        return True

    def is_selected(self, scores: Scores) -> bool:
        """The latest whose kernel distance is within one standard deviation of the smallest: ties go to the later one."""
        best = self.best
        if best is None or scores.kernel < best.kernel:
            self.best = scores
        return self._config.select == "last" or best is None or scores.kernel <= best.kernel + best.kernel_sd

    def metrics(self, scores: Scores) -> dict[str, Any]:
        """`scores` beside the real pictures' own, and what they depend on; for checkpoint.json."""
        return {
            "scores": scores.to_dict(),
            "real": self.evaluator.floor.to_dict(),
            "classifier": self.evaluator.describe(),
            "class_names": list(self.evaluator.class_names),
        }

    def state_dict(self) -> dict[str, Any]:
        assert self.selected is not None
        return {
            "best": asdict(self.best) if self.best else None,
            "judge": self.evaluator.sha256,
            "kept": {
                "step": self.selected.step,
                "images_seen": self.selected.images_seen,
                "generator": self.selected.generator.state_dict(),
                "scores": asdict(self.selected.scores),
            },
        }

    def load_state_dict(self, saved: Mapping[str, Any], generator: Generator) -> bool:
        """Restore the selection, with its weights in `generator`. Returns False where the classifier has changed since.

        Another version may train another classifier, in whose features the old scores mean nothing: the selected generator is
        then scored again.
        """
        kept = saved["kept"]
        generator.load_state_dict(kept["generator"])
        generator.eval().requires_grad_(False)
        same_classifier: bool = saved["judge"] == self.evaluator.sha256
        if same_classifier:
            self.best, scores = Scores(**saved["best"]), Scores(**kept["scores"])
        else:
            self.best = scores = self.score_candidate(generator)[0]
        self.selected = ScoredGenerator(step=kept["step"], images_seen=kept["images_seen"], generator=generator, scores=scores)
        return same_classifier

    def _images(self, generator: Generator, inputs: GeneratorInputs) -> Tensor:
        return to_bytes(generate_images(generator, inputs), self._config.output)
