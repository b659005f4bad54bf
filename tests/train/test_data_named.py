"""The sets that go by name, in miniature: found where they lie, else downloaded from a server that behaves badly."""

import gzip
import hashlib
import http.server
import io
import multiprocessing
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gansample.errors import ArtefactError, OutputError
from tests.support.logs import logged
from tests.support.tiny_pictures import write_idx
from train.data import download as downloading
from train.data import named
from train.data.dataset import DataSet
from train.data.download import download
from train.data.load import load_data
from train.data.named import CIFAR10_ARCHIVE
from train.data.request import DataRequest

CONTENT = np.random.RandomState(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, with range requests; each of `mishaps` befalls one request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"file": CONTENT}
        self.mishaps: list[str] = []
        self.seen: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append(f"{self.path} {wanted or 'whole'}")
        mishap = self.server.mishaps.pop(0) if self.server.mishaps else ""
        data = self.server.files.get(self.path.removeprefix("/"))
        if data is None or mishap.isdigit():
            self.send_error(int(mishap or 404))
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and mishap != "no ranges" else 0
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if mishap == "cut":
            body = body[: len(body) // 2]
        if mishap == "garbage":
            body = bytes(len(body))
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.01,))
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def fetch(server: Server, folder: Path, said: list[str] | None = None) -> bytes:
    target = folder / "sets/file"
    with logged(said if said is not None else []):
        download([server.address + "file"], target, MD5)
    return target.read_bytes()


@pytest.mark.parametrize(
    ("mishaps", "requests"),
    [
        ([], ["whole"]),
        (["cut"], ["whole", "bytes=150000-"]),
        (["cut", "cut", "cut", "cut"], ["whole", "bytes=150000-", "bytes=225000-", "bytes=262500-", "bytes=281250-"]),
        (["503", "429"], ["whole", "whole", "whole"]),
        (["cut", "no ranges"], ["whole", "bytes=150000-"]),
        (["cut", "garbage"], ["whole", "bytes=150000-", "whole"]),
    ],
)
def test_a_transfer_goes_on_where_it_broke_off(mishaps: list[str], requests: list[str], server: Server, tmp_path: Path) -> None:
    server.mishaps = list(mishaps)
    said: list[str] = []
    assert fetch(server, tmp_path, said) == CONTENT
    assert server.seen == [f"/file {request}" for request in requests]
    assert said == [f"downloading {server.address}file"]
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("left", "requests"),
    [
        (CONTENT[:1000], ["bytes=1000-"]),
        (CONTENT, ["bytes=300000-"]),
        (b"x" * 1000, ["bytes=1000-", "whole"]),
        (CONTENT + b"more", ["bytes=300004-", "whole"]),
    ],
)
def test_an_earlier_process_left_a_part(left: bytes, requests: list[str], server: Server, tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/file.part").write_bytes(left)
    assert fetch(server, tmp_path) == CONTENT
    assert server.seen == [f"/file {request}" for request in requests]


@pytest.mark.parametrize(
    ("mishaps", "reason", "requests"),
    [
        (["garbage"], f"MD5 {hashlib.md5(bytes(300_000)).hexdigest()}, expected {MD5}", 1),
        (["403"], "HTTP 403", 1),
        (["503"] * 9, "HTTP 503", 3),
    ],
)
def test_what_is_not_the_file_is_refused(
    mishaps: list[str], reason: str, requests: int, server: Server, tmp_path: Path
) -> None:
    server.mishaps = list(mishaps)
    with pytest.raises(
        ArtefactError, match=rf"cannot download file \({server.address}file: {reason}\): put it into .*sets by hand"
    ):
        fetch(server, tmp_path)
    assert not (tmp_path / "sets/file").exists()
    assert len(server.seen) == requests


def test_a_mirror_helps_out(server: Server, tmp_path: Path) -> None:
    addresses = [server.address + "gone/file", "http://127.0.0.1:9/file", server.address + "file"]
    download(addresses, tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_endless_data_fill_no_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "MAX_BYTES", 100_000)
    with pytest.raises(ArtefactError, match="more than 0 MB"):
        fetch(server, tmp_path)
    assert (tmp_path / "sets/file.part").stat().st_size == 0


def test_a_folder_that_cannot_be_written_is_said_at_once(server: Server, tmp_path: Path) -> None:
    (tmp_path / "sets").touch()
    with pytest.raises(OutputError, match=r"cannot write .*sets.file \("):
        fetch(server, tmp_path)
    assert server.seen == []


def test_processes_that_want_the_same_file_fetch_it_once(server: Server, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fetch, args=(server, tmp_path)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert server.seen == ["/file whole"]


def mnist_files(folder: Path) -> npt.NDArray[np.uint8]:
    """30 pictures for training and 12 for testing, as MNIST has them."""
    pictures = np.random.RandomState(0).randint(0, 256, (42, 28, 28), np.uint8)
    for part, rows in (("train", slice(30)), ("t10k", slice(30, None))):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pictures[rows])
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(42)[rows] % 10)
    return pictures


def cifar_file(path: Path) -> npt.NDArray[np.uint8]:
    """Two pictures in each of the six batches."""
    records = np.random.RandomState(0).randint(0, 256, (12, 3073), np.uint8)
    records[:, 0] = np.arange(12) % 10
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for n, name in enumerate([f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = 2 * 3073
            archive.addfile(member, io.BytesIO(records[2 * n : 2 * n + 2].tobytes()))
    return records[:, 1:].reshape(12, 3, 32, 32)


def trust(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, address: str = "http://127.0.0.1:9/") -> None:
    """Let the miniature files in `folder` be the originals, published at `address`."""

    def remote(path: Path) -> named.RemoteFile:
        content = gzip.decompress(path.read_bytes())
        return named.RemoteFile(hashlib.md5(path.read_bytes()).hexdigest(), hashlib.md5(content).hexdigest())

    monkeypatch.setattr(named, "FILES", {name: {path.name: remote(path) for path in folder.iterdir()}})
    monkeypatch.setattr(named, "ADDRESSES", {name: (address,)})


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "_PAUSE_SECONDS", 0.01)


def load(tmp_path: Path, name: str, size: int, root: Path, said: list[str] | None = None) -> DataSet:
    request = DataRequest(source=name, image_size=size, data_root=root, cache=tmp_path / "cache", conditional=True)
    with logged(said if said is not None else []):
        return load_data(request)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("place", ["", "mnist", "fashion-mnist"])
def test_mnist_is_found_in_the_root_or_in_its_folder(
    name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = mnist_files(tmp_path / "root" / place)
    trust(monkeypatch, name, tmp_path / "root" / place)
    if place not in ("", name):
        with pytest.raises(ArtefactError, match=r"cannot download \S+-ubyte.gz \(http://127.0.0.1:9/.*Connection refused"):
            load(tmp_path, name, 32, tmp_path / "root")
        return
    data = load(tmp_path, name, 32, tmp_path / "root")
    padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2)))
    assert np.array_equal(data.images[:, 0], padded[:30]), "padded with black, and no pixel resampled"
    assert np.array_equal(data.held_out_images[:, 0], padded[30:]), "the official test split is what is held out"
    assert data.class_names is not None
    assert data.class_names[5] == {"mnist": "5", "fashion-mnist": "Sandal"}[name]
    assert load(tmp_path, name, 28, tmp_path / "root").images.shape == (30, 1, 28, 28)
    assert load(tmp_path, name, 64, tmp_path / "root").images.shape == (30, 1, 64, 64)


def test_the_same_files_by_path_have_other_names_in_the_same_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_files(tmp_path / "root")
    trust(monkeypatch, "fashion-mnist", tmp_path / "root")
    by_name = load(tmp_path, "fashion-mnist", 28, tmp_path / "root")
    by_path = load(tmp_path, str(tmp_path / "root/train-images-idx3-ubyte.gz"), 28, tmp_path)
    assert by_path.fingerprint == by_name.fingerprint
    assert by_path.class_names == tuple("0123456789") != by_name.class_names


def test_a_copy_that_is_not_the_original_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_files(tmp_path / "root")
    trust(monkeypatch, "mnist", tmp_path / "root")
    path = tmp_path / "root/t10k-labels-idx1-ubyte.gz"
    write_idx(path, np.arange(12) % 3)
    with pytest.raises(
        ArtefactError, match=r"the content of .*t10k-labels.* has MD5 \w+, the original \w+: remove it, and it is"
    ):
        load(tmp_path, "mnist", 32, tmp_path / "root")


def test_a_missing_set_is_downloaded_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_files(tmp_path / "origin")
    server.files = {path.name: path.read_bytes() for path in (tmp_path / "origin").iterdir()}
    trust(monkeypatch, "mnist", tmp_path / "origin", server.address)
    said: list[str] = []
    for _ in range(2):
        data = load(tmp_path, "mnist", 32, tmp_path / "root", said)
    assert len(data.images) == 30
    assert sorted(said) == sorted(f"downloading {server.address}{name}" for name in server.files)
    assert sorted(path.name for path in (tmp_path / "root/mnist").iterdir()) == sorted(server.files)


def test_one_missing_file_is_downloaded_beside_the_others(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mnist_files(tmp_path / "root")
    server.files = {path.name: path.read_bytes() for path in (tmp_path / "root").iterdir()}
    trust(monkeypatch, "mnist", tmp_path / "root", server.address)
    (tmp_path / "root/t10k-labels-idx1-ubyte.gz").unlink()
    assert len(load(tmp_path, "mnist", 32, tmp_path / "root").held_out_images) == 12
    assert server.seen == ["/t10k-labels-idx1-ubyte.gz whole"]


def test_cifar10_is_read_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = cifar_file(tmp_path / "root/cifar10" / CIFAR10_ARCHIVE)
    trust(monkeypatch, "cifar10", tmp_path / "root/cifar10")
    data = load(tmp_path, "cifar10", 32, tmp_path / "root")
    assert np.array_equal(torch.cat([data.images, data.held_out_images]), pictures)
    assert len(data.held_out_images) == 2
    assert data.class_names is not None
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert data.labels is not None
    assert data.labels.tolist() == list(range(10))
    with (tmp_path / "root/cifar10" / CIFAR10_ARCHIVE).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArtefactError, match=r"cifar-10-binary.tar.gz has MD5 \w+, the original \w+: remove it"):
        load(tmp_path, "cifar10", 32, tmp_path / "root")


def test_offline_says_where_the_set_would_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "ADDRESSES", {"cifar10": ("http://127.0.0.1:9/kriz/",)})
    with pytest.raises(
        ArtefactError,
        match=r"cannot download cifar-10-binary.tar.gz \(http://127.0.0.1:9/kriz/cifar-10-binary.tar.gz: .*refused\): "
        r"put it into .*cifar10 by hand, or pass --data-root with the folder that holds the set",
    ):
        load(tmp_path, "cifar10", 32, tmp_path / "root")


@pytest.mark.parametrize("name", named.FILES)
def test_every_named_set_has_an_address_and_whole_digests(name: str) -> None:
    assert all(address.startswith("http") and address.endswith("/") for address in named.ADDRESSES[name])
    for remote in named.FILES[name].values():
        assert len(remote.md5) == 32
        assert len(remote.content_md5) == (0 if name == "cifar10" else 32)
