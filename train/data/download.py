"""One file from the network: resumed where it broke off, checked before anyone reads it, fetched once by all processes."""

import contextlib
import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from io import BufferedRandom
from pathlib import Path

import gansample
from gansample.errors import ArtefactError
from gansample.system.atomic import cannot_write, publish
from gansample.system.lock import remove_lock, try_lock, wait_for_lock
from gansample.system.numbers import whole_number

logger = logging.getLogger(__name__)

MAX_BYTES = 2**30  # the largest set that goes by name has 170 MB

_MAX_EMPTY_ATTEMPTS = 3  # in a row, at one address
_PAUSE_SECONDS = 1.0
_TIMEOUT_SECONDS = 30
_PIECE = 2**20


class _Failed(Exception):
    """An attempt, and why; `final` where another one at the same address cannot help."""

    def __init__(self, reason: object, *, final: bool = False) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.final = final


def download(addresses: Sequence[str], target: Path, md5: str) -> None:
    """Fetch `target` from the first of `addresses` that has it, through `target`.part, from which the next attempt resumes.

    Raises ArtefactError, naming the addresses, where none gives the file with that MD5 (the only digest that the sets' authors
    publish); OutputError where the folder cannot be written.
    """
    with _locked(target):
        if target.is_file():  # another process was faster
            return
        path = target.with_name(f"{target.name}.part")
        try:
            part = path.open("a+b")
        except OSError as error:
            raise cannot_write(path, error) from error
        with part:
            _fetch(addresses, part, target, md5)
        try:
            publish(path, target, overwrite=True)  # closed: Windows renames nothing that is open
        except OSError as error:
            raise cannot_write(target, error) from error


def _fetch(addresses: Sequence[str], part: BufferedRandom, target: Path, md5: str) -> None:
    """Complete `part` from the first address that has the file."""
    failures = []
    for address in addresses:
        logger.info("downloading %s", address)
        try:
            _persist(address, part, md5)
        except _Failed as failure:
            failures.append(f"{address}: {failure}")
        else:
            _write(part, lambda: os.fsync(part.fileno()))
            return
    raise ArtefactError(
        f"cannot download {target.name} ({'; '.join(failures)})",
        f"put it into {target.parent} by hand, or pass --data-root with the folder that holds the set",
    )


def _persist(address: str, part: BufferedRandom, md5: str) -> None:
    """Attempt until `part` is whole, or until nothing more comes."""
    empty_attempts = 0
    while True:
        before = part.seek(0, os.SEEK_END)
        try:
            _transfer(address, part)
            if (got := _md5(part)) == md5:
                return
            _write(part, lambda: part.truncate(0))  # nothing of it can be used
            raise _Failed(f"MD5 {got}, expected {md5}", final=before == 0)
        except (OSError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
            failure = _Failed(getattr(error, "reason", None) or error)
        except _Failed as error:
            failure = error
        empty_attempts = 0 if part.seek(0, os.SEEK_END) > before else empty_attempts + 1
        if failure.final or empty_attempts == _MAX_EMPTY_ATTEMPTS:
            raise failure
        time.sleep(_PAUSE_SECONDS)


def _transfer(address: str, part: BufferedRandom) -> None:
    """Append what is missing. Raises _Failed or OSError where the transfer breaks off."""
    start = part.tell()
    request = urllib.request.Request(address, headers={"User-Agent": f"gansample/{gansample.__version__}"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # there is nothing after `start`: the file is whole, or another one
            return
        raise _Failed(f"HTTP {error.code}", final=error.code < 500 and error.code not in (408, 429)) from None
    with response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0
            _write(part, lambda: part.truncate(0))
        expected = whole_number(response.headers.get("Content-Length", ""))
        received = 0
        while piece := response.read(_PIECE):
            received += len(piece)
            if start + received > MAX_BYTES:
                _write(part, lambda: part.truncate(0))
                raise _Failed(f"more than {MAX_BYTES >> 20} MB", final=True)
            _write(part, lambda piece=piece: part.write(piece))  # type: ignore[misc]
        if expected is not None and received < expected:
            raise _Failed(f"broke off after {received:,} of {expected:,} bytes")


def _md5(part: BufferedRandom) -> str:
    part.flush()
    part.seek(0)
    return hashlib.file_digest(part, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Lock other processes out that want the same file."""
    path = target.with_name(f"{target.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+b")
        if not try_lock(lock.fileno()):
            logger.info("another process is downloading %s, waiting for it", target.name)
            wait_for_lock(lock.fileno())
            while not path.exists() or not os.path.samestat(path.stat(), os.fstat(lock.fileno())):  # whoever had it deleted it
                lock.close()
                lock = path.open("a+b")
                wait_for_lock(lock.fileno())
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        yield
    finally:
        remove_lock(path, lock)


def _write(part: BufferedRandom, action: Callable[[], object]) -> None:
    """A failed write is not a failed transfer: no other address helps."""
    try:
        action()
        part.flush()
    except OSError as error:
        raise cannot_write(Path(part.name), error) from error
