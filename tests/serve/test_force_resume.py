"""A run that replaces older pictures and is interrupted: --resume never takes the older ones for its own."""

import json
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gansample.errors import OutputError
from gansample.outputs.job import job_from_options
from gansample.outputs.options import DrawOptions
from gansample.ray.bulk import write_shards
from gansample.ray.store import Store
from gansample.sampling.sampler import open_sampler
from tests.support.processes import Command

OTHER = ("--truncation", 0.5)


def words(bundle: Path, out: str, *options: object, n: int = 200) -> list[object]:
    return ["--n", n, "--bundle", bundle, "--batch", 16, *options, out]


def room_for(size: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel refuses every byte of a file past `size`, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def contents(folder: Path, stem: str) -> dict[str, bytes]:
    return {path.name.replace(stem, ""): path.read_bytes() for path in folder.glob(f"{stem}*")}


@pytest.mark.parametrize("metadata", [(), ("--no-metadata",)])
@pytest.mark.parametrize("shards", [(), ("--shard", 75)])
def test_a_tar_that_is_replaced(
    shards: tuple[object, ...], metadata: tuple[str, ...], gansample: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    options = (*shards, *metadata)
    assert gansample(*words(tiny_bundle, "whole.tar", *options)).returncode == 0
    assert gansample(*words(tiny_bundle, "out.tar", *OTHER, *options, n=140)).returncode == 0  # two shards: 75 and 65 pictures
    stopped = gansample(*words(tiny_bundle, "out.tar", "--force", *options), preexec_fn=room_for(60_000 if shards else 90_000))
    assert (stopped.returncode, b"with --resume instead of --force draws the rest" in stopped.stderr) == (5, True), (
        stopped.stderr
    )
    both = gansample(*words(tiny_bundle, "out.tar", "--force", "--resume", *options))
    assert (both.returncode, b"give --resume alone" in both.stderr) == (2, True)
    resumed = gansample(*words(tiny_bundle, "out.tar", "--resume", "--json", *options))
    assert resumed.returncode == 0, resumed.stderr
    assert 0 < json.loads(resumed.stdout)["drawn"] < 200
    assert contents(tmp_path, "out") == contents(tmp_path, "whole")


def test_a_smaller_set_leaves_none_of_the_larger_one(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample(*words(tiny_bundle, "whole.tar", "--shard", 50, n=100)).returncode == 0
    assert gansample(*words(tiny_bundle, "out.tar", "--shard", 50, *OTHER)).returncode == 0
    assert gansample(*words(tiny_bundle, "out.tar", "--shard", 50, "--force", n=100)).returncode == 0
    assert contents(tmp_path, "out") == contents(tmp_path, "whole")


def test_shards_that_are_in_the_way_are_met_before_drawing(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    for n in (100, 200):  # of a smaller set, and of a larger one
        assert gansample(*words(tiny_bundle, f"out{n}.tar", "--shard", 50, *OTHER, n=n)).returncode == 0
        before = contents(tmp_path, f"out{n}")
        refused = gansample(*words(tiny_bundle, f"out{n}.tar", "--shard", 50, n=150))
        assert (refused.returncode, f"out{n}-000000.tar exists".encode() in refused.stderr) == (5, True)
        assert contents(tmp_path, f"out{n}") == before


def test_a_run_is_resumed_with_the_shards_it_began(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    assert gansample(*words(tiny_bundle, "out.tar", "--shard", 75), preexec_fn=room_for(60_000)).returncode == 5
    other = gansample(*words(tiny_bundle, "out.tar", "--shard", 50, "--resume"))
    assert (other.returncode, b"was begun with another shard" in other.stderr) == (5, True)
    assert gansample(*words(tiny_bundle, "out.tar", "--shard", 75, "--resume")).returncode == 0
    other = gansample(*words(tiny_bundle, "out.tar", "--shard", 100, "--resume"))
    assert other.returncode == 5, "a finished set of other shards is not this one"


@pytest.mark.parametrize("stage", ["before the name", "between link and unlink"])
def test_a_process_that_ends_while_a_shard_takes_its_name(
    stage: str, gansample: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The journal speaks first, so the finished part is there and --resume gives it its name."""
    assert gansample(*words(tiny_bundle, "whole.tar", "--shard", 75)).returncode == 0
    assert gansample(*words(tiny_bundle, "out.tar", "--shard", 75), preexec_fn=room_for(60_000)).returncode == 5
    journal = tmp_path / "out.tar.part.json"
    first, part = tmp_path / "out-000000.tar", tmp_path / "out-000000.tar.part"
    part.write_bytes((tmp_path / "whole-000000.tar").read_bytes())
    if stage != "before the name":
        os.link(part, first)
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "done": 75, "bytes": 0}))
    resumed = gansample(*words(tiny_bundle, "out.tar", "--shard", 75, "--resume"))
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path, "out") == contents(tmp_path, "whole")


def test_a_folder_without_metadata_that_is_replaced(gansample: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    bare = ("--no-metadata",)
    assert gansample(*words(tiny_bundle, "whole", *bare)).returncode == 0
    assert gansample(*words(tiny_bundle, "out", *bare)).returncode == 0
    assert gansample(*words(tiny_bundle, "out", *OTHER, *bare, "--force")).returncode == 0
    victim = tmp_path / "out" / "seed0000100.png"
    victim.unlink()
    victim.mkdir()  # the run is stopped here
    stopped = gansample(*words(tiny_bundle, "out", *bare, "--force"))
    assert (stopped.returncode, b"with --resume instead of --force" in stopped.stderr) == (5, True), stopped.stderr
    victim.rmdir()
    resumed = gansample(*words(tiny_bundle, "out", *bare, "--resume", "--json"))
    assert resumed.returncode == 0, resumed.stderr
    assert 0 < json.loads(resumed.stdout)["drawn"] < 200
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*.png")}


def test_a_clusters_shards_without_their_record_are_not_this_runs(tiny_bundle: Path, tmp_path: Path) -> None:
    """Nothing is drawn here: what is in the way is met before a worker starts."""
    options = DrawOptions.from_values({"out": str(tmp_path / "out.tar"), "n": 100, "bundle": tiny_bundle, "ray": True})
    with open_sampler(tiny_bundle) as sampler:
        job = job_from_options(options, sampler.bundle, sampler.engine)
    Store(str(tmp_path / "out.tar")).put(0, b"of an older run")
    with pytest.raises(OutputError, match=r"out-000000\.tar exists"):
        write_shards(options, job, "", "onnx-fp32", size=50, workers=1, on_progress=lambda done: None)
