"""A training run of this project as a generator, with its provenance."""

from pathlib import Path

from export.export_model import ExportModel
from gansample.bundle.basis import Basis, Fact
from gansample.bundle.spec import Spec
from train.checkpoint import load_generator, newest_run

PROVENANCE = ("config", "data", "seed", "step", "images_seen", "finished", "metrics", "versions")


def generator_from_run(run: Path | None = None, name: str | None = None) -> ExportModel:
    """The generator of a run folder (the newest under runs/ without one).

    name  what the bundle is called, instead of its data.

    Raises ArtefactError where the run is missing or its checkpoint damaged.
    """
    loaded = load_generator(run if run is not None else newest_run())
    info = loaded.info
    spec = Spec(
        name=name or info["name"],
        latent_size=info["latent"]["size"],
        distribution=info["latent"]["distribution"],
        height=info["image"]["size"],
        width=info["image"]["size"],
        channels=info["image"]["channels"],
        value_range=info["image"]["range"],
        classes=tuple(info["classes"]) if info["classes"] is not None else None,
        provenance={"checkpoint_sha256": loaded.sha256, **{key: info[key] for key in PROVENANCE if key in info}},
        basis=Basis(facts=(Fact(name="everything", value="as it was trained", known="told", how="the run's own record"),)),
    )
    return ExportModel(loaded.generator, spec)
