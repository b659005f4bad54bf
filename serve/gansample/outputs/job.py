"""From options to a job: the one way in which the command line, Ray, HTTP, the demo and Python say what is drawn."""

from gansample.bundle.open import Bundle
from gansample.bundle.spec import Spec
from gansample.outputs.base import Job
from gansample.outputs.metadata import picture_metadata
from gansample.outputs.options import DrawOptions
from gansample.sampling.classes import parse_classes
from gansample.sampling.options import SelectionOptions
from gansample.sampling.sampler import Engine
from gansample.sampling.selection import Selection


def selection_from_options(options: SelectionOptions, spec: Spec) -> Selection:
    """The pictures that were asked for, of a generator with this spec. Raises UsageError."""
    return options.selection(spec.latent_space(options.truncation))


def job_from_options(
    options: DrawOptions, bundle: Bundle, engine: Engine, *, selection: Selection | None = None, upscale: int = 1
) -> Job:
    """What is drawn from `bundle` by `engine`, with the metadata that goes with it.

    selection  where it was made before.

    Raises UsageError for pictures or classes that the generator does not have.
    """
    spec, asked = bundle.spec, options.selection
    drawn_with = {"truncation": asked.truncation, "upscale": upscale if upscale > 1 else None}
    return Job(
        selection=selection if selection is not None else selection_from_options(asked, spec),
        spec=spec,
        chosen_labels=parse_classes(asked.of_class, spec.classes) if asked.of_class is not None else None,
        upscale=upscale,
        about=picture_metadata(bundle, engine, drawn_with),
        with_metadata=not options.output.no_metadata,
    )
