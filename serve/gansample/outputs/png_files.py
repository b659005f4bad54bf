"""Single PNG files by name: what a folder and a .zip hold."""

from gansample.outputs.job import Batch, Job
from gansample.outputs.png import encode_pngs

PngFiles = list[tuple[str, bytes]]


def png_files(job: Job, batch: Batch) -> PngFiles:
    """(file name, PNG) of every picture of `batch`, with its metadata where `job` wants some."""
    names = (f"{job.selection.name(position)}.png" for position in batch.positions)
    return list(zip(names, encode_pngs(batch.images, job.metadata_of(batch), fast=job.fast_png), strict=True))
