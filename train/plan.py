"""What a run is going to do, before it does anything: from the command line, or from the run that is resumed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gansample.errors import ArtefactError, UsageError
from train.config import Config
from train.data.request import DataRequest
from train.presets import config_for
from train.run_folder import CONFIG, RunFolder

DIGITS_MINUTES = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """The options of a new run, as given on the command line."""

    request: DataRequest
    preset: str = "modern"
    seed: int = 0
    images: int | None = None
    max_minutes: float | None = None
    precision: str = "auto"
    x_flip: bool = False
    settings: tuple[str, ...] = ()
    """FIELD=VALUE, applied last."""
    tensorboard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """One training run."""

    config: Config
    request: DataRequest
    preset: str
    command: str
    """The command line that started the run."""
    max_minutes: float | None = None
    tensorboard: bool = False

    @property
    def name(self) -> str:
        """Of the data, as part of a folder's and a bundle's name: the last part of its path without a suffix."""
        return Path(self.request.source).name.split(".")[0] or "pictures"

    @classmethod
    def from_options(cls, options: TrainOptions, command: str) -> "TrainingPlan":
        """Raises UsageError for options that cannot work, or not together."""
        request, max_minutes = options.request, options.max_minutes
        if max_minutes is not None and not max_minutes > 0:
            raise UsageError(f"--max-minutes is {max_minutes}", "it must be above 0")
        settings = [f"seed={options.seed}"]
        settings += [f"images={options.images}"] if options.images is not None else []
        settings += [f"precision={options.precision}"] if options.precision != "auto" else []
        settings += ["x_flip=true"] if options.x_flip else []
        settings += options.settings
        config = config_for(
            options.preset, source=request.source, image_size=request.image_size, conditional=request.conditional
        ).with_settings(settings)
        if max_minutes is None and request.source == "digits" and not any(part.startswith("images=") for part in settings):
            max_minutes = DIGITS_MINUTES
        return cls(
            config=config,
            request=replace(request, image_size=config.image_size, conditional=config.conditional),
            preset=options.preset,
            command=command,
            max_minutes=max_minutes,
            tensorboard=options.tensorboard,
        )

    @classmethod
    def from_run(cls, run: RunFolder) -> "TrainingPlan":
        """The plan that a run was started with. Raises ArtefactError where its config.json does not hold one."""
        document: Mapping[str, Any] = run.config()
        try:
            return cls(
                config=Config.from_dict(document["config"]),
                request=DataRequest.from_dict(document["request"]),
                preset=document["preset"],
                command=document["command"],
                max_minutes=document.get("max_minutes"),
                tensorboard=document["tensorboard"],
            )
        except (KeyError, TypeError, UsageError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ArtefactError(
                f"{run.path / CONFIG} is not from this version ({reason})",
                "train again, or resume with the version that started it",
            ) from None

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
