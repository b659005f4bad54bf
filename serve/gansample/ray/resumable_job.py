"""Is there a job already where the shards go, and may it be gone on with? Told before a cluster is asked for anything."""

from collections.abc import Mapping
from typing import Any

from gansample.errors import OutputError
from gansample.outputs.base import Job
from gansample.ray.store import Store

ENGINE = ("backend", "variant", "why")  # what a job's identity says of what draws: whoever goes on takes it from there


def begun_job(job: Job, size: int, kind: str) -> dict[str, Any]:
    """What is noted beside the shards. size: pictures in each. kind: tar or parquet."""
    return {"identity": job.identity, "pictures": len(job), "shard": size, "format": kind}


def check_begun(store: Store, begun: Mapping[str, Any], *, force: bool, resume: bool) -> dict[str, Any] | None:
    """What was begun there, if anything was. Raises OutputError unless it may be replaced, or gone on with and is the same."""
    there = store.read_job()
    if there is None or force:
        return there
    if not resume:
        raise OutputError(f"{store.address} was begun before", "pass --resume to go on, or --force to start anew")
    ours, theirs = _flat(begun), _flat(there)
    if changed := sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)):
        raise OutputError(
            f"{store.address} was begun with another {', '.join(changed)}",
            "repeat that command with --resume, or pass --force",
        )
    return there


def _flat(job: Mapping[str, Any]) -> dict[str, Any]:
    facts = {**job.get("identity", {}), **{name: job.get(name) for name in ("pictures", "shard", "format")}}
    return {name: value for name, value in facts.items() if name not in ENGINE}
