"""Pickles are read without importing, compiling, opening or calling what they name, in time and memory of their size."""

import io
import pickle
import random
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from export.importers.foreign_objects import ForeignObject
from export.importers.inert_pickle import NotReadable, read_inert
from export.importers.state_dict import check_tensors
from export.importers.weights import read_weights
from gansample.errors import ArtefactError

FORBIDDEN = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "shutil.", "code.__new__", "pickle.")
watched: list[tuple[str, Any]] | None = None


def _watch(event: str, arguments: Any) -> None:
    if watched is not None and event.startswith(FORBIDDEN):
        watched.append((event, arguments))


sys.addaudithook(_watch)  # cannot be taken away again; it does nothing unless `nothing_happens` watches


@contextmanager
def nothing_happens() -> Iterator[None]:
    """Fails where code is compiled or run, a module imported or a file opened."""
    global watched
    watched = []
    try:
        yield
        seen = list(watched)
    finally:
        watched = None
    assert seen == []


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


class Settings(dict[str, Any]):
    """A dictionary of a class of its own, as EasyDict is."""


class Thing:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__ |= attributes


def written(module: str, name: str, *arguments: Any) -> bytes:
    """A pickle that calls module.name, which need not exist."""
    inner = pickle.dumps(arguments, 4)[2:-1]  # without PROTO and STOP
    return b"\x80\x04c" + f"{module}\n{name}\n".encode() + inner + b"R."


CONTENT: dict[str, Any] = {
    "weight": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "part": torch.arange(10.0)[3:7:2],
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "bfloat16": torch.tensor([1.5], dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "ordered": OrderedDict(a=torch.ones(1), b=None),
    "array": np.arange(6).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.float64(0.25),
    "plain": [1, -2, 3.5, "näme", b"\x00\xff", True, None, (1, (2,)), 2**40, {"deep": {1: [2]}}],
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_come_as_they_were(protocol: int) -> None:
    assert same(CONTENT, read_inert(pickle.dumps(CONTENT, protocol)).content)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_numpy_is_read_under_its_old_name_and_its_new(protocol: int, core: bytes) -> None:
    data = pickle.dumps({"a": CONTENT["array"], "s": CONTENT["scalar"]}, protocol)
    content = read_inert(data.replace(b"numpy._core", core).replace(b"numpy.core", core)).content
    assert same(content, {"a": CONTENT["array"], "s": 0.25})


def test_storages_of_a_gpu_come_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    data = pickle.dumps({"w": torch.ones(3)})
    assert b"cuda:0" in data
    assert read_inert(data).content["w"].device.type == "cpu"


def test_tensors_that_share_a_storage_are_read() -> None:
    whole = torch.arange(4.0)
    assert same(read_inert(pickle.dumps([whole, whole[1:3]])).content, [whole, whole[1:3]])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_of_other_classes_are_records_of_what_they_hold(protocol: int) -> None:
    settings = Settings(lr=0.1)
    read = read_inert(pickle.dumps([settings, Thing(size=3, inner=Thing(name="x")), Path], protocol)).content
    assert [each.kind.rpartition(".")[2] for each in read] == ["Settings", "Thing", "Path"]
    assert all(type(each) is ForeignObject for each in read)
    assert dict(read[0]) == {"lr": 0.1}
    assert read[1]["size"] == 3
    assert read[1]["inner"]["name"] == "x"


def test_what_a_call_was_given_is_kept() -> None:
    read = read_inert(written("no.such.module", "build", 3, "text")).content
    assert (read.kind, read.arguments) == ("no.such.module.build", (3, "text"))


def test_what_dill_adds_is_a_record_too() -> None:
    made = written("dill._dill", "_create_type", "type", "Generator", (), {"size": 3})
    read = read_inert(made).content
    assert (read.kind, read.arguments[3]) == ("dill._dill._create_type", {"size": 3})


@pytest.mark.parametrize("protocol", [2, 4])
def test_sets_come_as_lists(protocol: int) -> None:
    read = read_inert(pickle.dumps({"s": {1}, "f": frozenset(("a",)), "n": set()}, protocol)).content
    assert [list(each) for each in read.values()] == [[1], ["a"], []]


SOURCE = "open('trace', 'w').write('ran')\nclass Generator: pass"
PERSISTENT = ("torch_utils.persistence", "_reconstruct_persistent_obj")
HOSTILE: dict[str, Callable[[], bytes]] = {
    "source text": lambda: written(
        *PERSISTENT, {"type": "class", "module_src": SOURCE, "class_name": "Generator", "state": {}}
    ),
    "a command": lambda: pickle.dumps({"G_ema": Calls(eval, "open('trace', 'w')")}),
    "nested in arguments": lambda: pickle.dumps({"G_ema": Calls(list, [Calls(exec, SOURCE), Calls(getattr, Path, "home")])}),
    "in a state": lambda: pickle.dumps(Thing(a=Calls(__import__, "this"), b=[Calls(compile, SOURCE, "x", "exec")])),
    "a module": lambda: written("this", "s"),
    "a dotted name": lambda: written("os", "path.join.__globals__", "x"),
    "a storage's own pickle": lambda: pickle.dumps(Calls(torch.storage._load_from_bytes, pickle.dumps(Calls(eval, "1")))),
    "an old instance": lambda: b"\x80\x02(S'echo'\nios\nsystem\n.",
    "itself": lambda: b"\x80\x04]q\x00h\x00ah\x00a}q\x01(X\x01\x00\x00\x00ah\x01h\x00h\x00s.",
    "a list in itself": lambda: b"\x80\x02]q\x00(h\x00h\x00h\x00e.",
    "a call with itself": lambda: b"\x80\x02cfoo\nbar\n)\x81q\x00h\x00h\x00b.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_leave_no_trace(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = HOSTILE[name]()
    read_inert(pickle.dumps(CONTENT))  # what torch itself imports on its first call is not the file's doing
    modules = set(sys.modules)
    with nothing_happens(), suppress(NotReadable):
        read_inert(data)
    assert set(sys.modules) == modules
    assert list(tmp_path.iterdir()) == []


def test_the_watch_sees_what_it_forbids(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="open"), nothing_happens():
        (tmp_path / "trace").write_text("ran", encoding="utf-8")


def storage() -> Any:
    """Four numbers, as torch pickles what a tensor lies in."""
    return torch.storage.TypedStorage(wrap_storage=torch.ones(4).untyped_storage(), dtype=torch.float32, _internal=True)


def deep(n: int) -> bytes:
    return b"\x80\x04" + b"(" * n + b"t" * n + b"."


def tensor_of(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    return pickle.dumps(Calls(torch._utils._rebuild_tensor_v2, storage(), offset, size, stride, False, OrderedDict()))


def a_storage_of(values: int) -> bytes:
    stored = io.BytesIO()
    torch.save(storage(), stored, _use_new_zipfile_serialization=False)
    told = stored.getvalue().replace(b"K\x04Nt", b"\x8a\x06" + values.to_bytes(6, "little") + b"Nt")
    return pickle.dumps(Calls(torch.storage._load_from_bytes, told))


def zipped_storage() -> bytes:
    stored = io.BytesIO()
    torch.save(storage(), stored)
    return pickle.dumps(Calls(torch.storage._load_from_bytes, stored.getvalue()))


def copies(n: int) -> bytes:
    """A megabyte that is decoded `n` times."""
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    once = b"h\x00h\x01h\x02\x86R"
    return b"\x80\x02c_codecs\nencode\nq\x00" + text + b"q\x01X\x06\x00\x00\x00latin1q\x02" + once * n + b"."


BOUNDS: dict[str, tuple[Callable[[], bytes], str]] = {
    "instructions": (lambda: b"\x80\x04" + b"N0" * 600_000 + b"N.", "more than 1,000,000 instructions"),
    "nesting": (lambda: deep(501), "nested more than 500 deep"),
    "persistent ids": (lambda: b"\x80\x02X\x01\x00\x00\x00aQ.", "persistent ids"),
    "extension codes": (lambda: b"\x80\x02\x82\x01.", "the instruction EXT1"),
    "buffers elsewhere": (lambda: b"\x80\x05\x97.", "the instruction NEXT_BUFFER"),
    "protocol": (lambda: b"\x80\x06N.", "protocol 6"),
    "a tensor beyond its storage": (lambda: tensor_of(2, (3,), (1,)), "larger than its storage"),
    "a negative stride": (lambda: tensor_of(3, (3,), (-1,)), "no shape"),
    "a tensor that repeats": (lambda: tensor_of(0, (1 << 20, 1 << 20), (0, 0)), "repeats the few numbers"),
    "a storage that says more": (lambda: a_storage_of(1 << 40), "more than there is"),
    "a storage that is a zip": (zipped_storage, "not in torch's format"),
    "objects in arrays": (lambda: pickle.dumps(np.array([{}], dtype=object)), "something else than numbers"),
    "copies": (lambda: copies(50), "again and again"),
    "keys that collide": (lambda: pickle.dumps({index * (2**61 - 1): None for index in range(1, 9)}), "no names or numbers"),
    "keys that are objects": (lambda: b"\x80\x02}cos\nsystem\nNs.", "no names or numbers"),
    "no end": (lambda: b"\x80\x04N", "damaged|truncated"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_what_is_more_than_any_generator_has_is_refused(name: str) -> None:
    make, reason = BOUNDS[name]
    with pytest.raises(NotReadable, match=reason):
        read_inert(make(), most_instructions=1_000_000)


def test_a_memo_of_any_index_takes_no_room() -> None:
    assert read_inert(b"\x80\x02Nr\xff\xff\xff\xff.").content is None


def test_deep_values_are_read_and_given_up_again() -> None:
    content = read_inert(b"\x80\x04N" + b"\x85" * 200_000 + b".").content
    assert isinstance(content, tuple)


def test_damage_is_never_anything_else_than_not_readable() -> None:
    data = pickle.dumps({"G_ema": CONTENT, "thing": Thing(a=1)}, 4)
    stream = random.Random(0)
    for length in stream.sample(range(len(data)), 200):
        with pytest.raises(NotReadable):
            read_inert(data[:length])
    for _ in range(600):
        changed = bytearray(data)
        for _ in range(stream.choice((1, 3))):
            changed[stream.randrange(len(data))] = stream.randrange(256)
        try:
            content = read_inert(bytes(changed)).content
            check_tensors({k: v for k, v in content["G_ema"].items() if isinstance(v, Tensor)}, "x")
        except (NotReadable, ArtefactError, KeyError, TypeError, AttributeError):
            pass  # the last three are of this test, where what it looks for is no longer there


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "attack": (lambda: pickle.dumps({"G_ema": Calls(eval, "1")}), "calls builtins.eval when it is loaded: that is no weights"),
    "TensorFlow": (lambda: b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81}b.", "TensorFlow networks"),
    "truncated": (lambda: pickle.dumps(CONTENT)[:300], "a pickle that torch did not write, and it is"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_are_refused_by_name(name: str, tmp_path: Path) -> None:
    make, reason = REFUSED[name]
    (tmp_path / "net.pkl").write_bytes(make())
    with pytest.raises(ArtefactError, match=reason):
        read_weights(tmp_path / "net.pkl")
