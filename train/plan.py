"""What a run is going to do, before it does anything: read from the command line, or from the run that is to go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gansample.errors import ArtefactError, UsageError
from train.config import Config
from train.data.request import DataRequest
from train.run_folder import CONFIG, RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """One training run."""

    config: Config
    request: DataRequest
    preset: str
    command: str
    """What was typed."""
    max_minutes: float | None = None
    tensorboard: bool = False

    @property
    def name(self) -> str:
        """Of the data, as part of a folder's and a bundle's name: the last part of its path without a suffix."""
        return Path(self.request.source).name.split(".")[0] or "pictures"

    def to_dict(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "seed": self.config.seed,
            "max_minutes": self.max_minutes,
            "tensorboard": self.tensorboard,
            "config": self.config.to_dict(),
            "request": self.request.to_dict(),
            "command": self.command,
        }

    @classmethod
    def from_run(cls, run: RunFolder) -> "TrainingPlan":
        """The plan that a run was started with. Raises ArtefactError where its config.json does not hold one."""
        document: Mapping[str, Any] = run.config()
        try:
            return cls(
                config=Config(**document["config"]),
                request=DataRequest.from_dict(document["request"]),
                preset=document["preset"],
                command=document["command"],
                tensorboard=document["tensorboard"],
            )
        except (KeyError, TypeError, UsageError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ArtefactError(
                f"{run.path / CONFIG} is not from this version ({reason})",
                "train again, or resume with the version that began it",
            ) from None
