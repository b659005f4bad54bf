"""Is there a job already where the shards go, and may it be resumed? Checked before the cluster is used."""

from collections.abc import Mapping
from typing import Any

from gansample.errors import OutputError
from gansample.outputs.job import Job
from gansample.ray.store import Store

ENGINE = ("backend", "variant", "why")  # the parts of a job's identity that a resumed run takes over instead of comparing


def job_record(job: Job, size: int, kind: str) -> dict[str, Any]:
    """What is written beside the shards. size: pictures in each. kind: tar or parquet."""
    return {"identity": job.identity, "pictures": len(job), "shard": size, "format": kind}


def check_resumable(store: Store, record: Mapping[str, Any], *, force: bool, resume: bool) -> dict[str, Any] | None:
    """The existing job's record, or None. Raises OutputError unless it may be replaced, or resumed and is the same job."""
    existing = store.read_job()
    if existing is None or force:
        return existing
    if not resume:
        raise OutputError(f"{store.address} exists", "pass --resume to continue it, or --force to replace it")
    ours, theirs = _flat(record), _flat(existing)
    if changed := sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)):
        raise OutputError(
            f"{store.address} was begun with another {', '.join(changed)}",
            "repeat that command with --resume, or pass --force",
        )
    return existing


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    facts = {**record.get("identity", {}), **{name: record.get(name) for name in ("pictures", "shard", "format")}}
    return {name: value for name, value in facts.items() if name not in ENGINE}
