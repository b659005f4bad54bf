"""One shard, drawn into memory: an Output whose bytes depend on its positions in the job and on nothing else."""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gansample.outputs import tar_members as tar
from gansample.outputs.job import Batch, Job
from gansample.outputs.png import encode_pngs
from gansample.sampling.selection import Seeds

KINDS = ("tar", "parquet")


class Shard(ABC):
    """positions: those of the job that are in this shard."""

    path = Path("shard")

    def __init__(self, positions: range) -> None:
        self._positions = positions
        self._parts: list[Any] = []
        self.data = b""
        """The finished shard."""

    def resumable_job(self) -> Mapping[str, Any] | None:
        return None

    def check(self, job: Job) -> None:
        return  # the whole job was, before it was divided

    def open(self, job: Job) -> Sequence[int]:
        self._job = job
        return self._positions

    @abstractmethod
    def encode(self, batch: Batch) -> Any: ...

    def write(self, encoded: Any) -> None:
        self._parts.append(encoded)

    def finish(self) -> None:
        self.data = self.assemble()

    def abort(self) -> str:
        return ""

    @abstractmethod
    def assemble(self) -> bytes: ...


class TarShard(Shard):
    """The same bytes as `gansample --shard` writes."""

    def encode(self, batch: Batch) -> tar.Members:
        return tar.members(self._job, batch)

    def assemble(self) -> bytes:
        return b"".join([tar.head(self._job), *(member for members in self._parts for member in members), tar.END])


class ParquetShard(Shard):
    """A table: seed, label and class (if it has any), image {bytes, path} as in Hugging Face's data sets, metadata."""

    def encode(self, batch: Batch) -> Any:
        import pyarrow

        job, positions = self._job, batch.positions
        names = [job.selection.name(position) for position in positions]
        pngs = zip(names, encode_pngs(batch.images, fast=job.fast_png), strict=True)
        columns: dict[str, Any] = {}
        if isinstance(job.selection, Seeds):
            columns["seed"] = pyarrow.array(job.selection.seeds(positions), pyarrow.int64())
        if batch.labels is not None and job.spec.classes is not None:
            columns["label"] = pyarrow.array(batch.labels, pyarrow.int32())
            columns["class"] = pyarrow.array([job.spec.classes[label] for label in batch.labels], pyarrow.string())
        image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        columns["image"] = pyarrow.array([{"bytes": png, "path": f"{name}.png"} for name, png in pngs], image)
        if (texts := job.metadata_of(batch)) is not None:
            columns["metadata"] = pyarrow.array(texts, pyarrow.string())
        return pyarrow.table(columns)

    def assemble(self) -> bytes:
        import pyarrow
        from pyarrow import parquet

        features = {"info": {"features": {"image": {"_type": "Image"}}}}
        about = {"huggingface": json.dumps(features)}
        if self._job.with_metadata:
            about["gansample"] = json.dumps(self._job.identity)
        table = pyarrow.concat_tables(self._parts).combine_chunks().replace_schema_metadata(about)
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, compression="zstd", use_dictionary=False, row_group_size=len(table))
        return buffer.getvalue()


def open_shard(kind: str, positions: range) -> Shard:
    return {"tar": TarShard, "parquet": ParquetShard}[kind](positions)
