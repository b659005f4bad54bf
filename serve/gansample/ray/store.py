"""Where shards go: a local folder, or any address that fsspec knows (s3://, gs://, abfs://, memory:// …), one object at a time.

A shard is written whole or not at all, and is done once its digest is beside it, `NAME.sha256`, as sha256sum writes it:

    pictures.json                      the job, and at the end every shard's digest
    pictures-000000.tar                ten thousand pictures
    pictures-000000.tar.sha256
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gansample.bundle.seal import digest
from gansample.errors import BackendUnavailable, OutputError
from gansample.outputs.tar_members import shard_name
from gansample.system.atomic import write_atomic

# Object stores whose writes are atomic; elsewhere a file is written under a temporary name and then renamed.
ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"})


class Store:
    """Every process that writes makes its own from the address."""

    def __init__(self, address: str) -> None:
        self.address = address

    @cached_property
    def _resolved(self) -> tuple[Any, str]:
        """The file system, and the path in it."""
        try:
            from fsspec.core import url_to_fs

            file_system, path = url_to_fs(self.address)
        except (ImportError, ValueError) as error:  # fsspec says which package an address needs
            raise BackendUnavailable(f"cannot reach {self.address} ({error})", "install what it names") from None
        return file_system, path

    @property
    def file_system(self) -> Any:
        return self._resolved[0]

    @property
    def local(self) -> bool:
        protocol = self.file_system.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def path(self, number: int) -> str:
        return shard_name(self._resolved[1], number)

    @property
    def job_path(self) -> str:
        return f"{self._resolved[1].rpartition('.')[0]}.json"

    def read_job(self) -> dict[str, Any] | None:
        """The record of the job that was begun here, or None."""
        try:
            job: dict[str, Any] = json.loads(self.file_system.cat_file(self.job_path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot("read", error) from error
        except ValueError:
            raise OutputError(f"{self.job_path} is damaged", "pass --force to replace it") from None
        return job

    def write_job(self, job: Mapping[str, Any]) -> None:
        self._put(self.job_path, (json.dumps(job, indent=1) + "\n").encode())

    def put(self, number: int, data: bytes) -> str:
        """Write a shard and return its digest."""
        path, sha256 = self.path(number), digest(data)
        self._put(path, data)
        self._put(f"{path}.sha256", f"{sha256}  {path.rpartition('/')[2]}\n".encode())
        return sha256

    def digest(self, number: int) -> str | None:
        """The digest of one shard, or None if it is not there."""
        try:
            text: bytes = self.file_system.cat_file(f"{self.path(number)}.sha256")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot("read", error) from error
        return text.decode().partition(" ")[0]

    def digests(self, numbers: Iterable[int]) -> dict[int, str]:
        """The finished shards among `numbers`, with their digests."""
        by_path = {f"{self.path(number)}.sha256": number for number in numbers}
        folder = self.job_path.rpartition("/")[0]
        try:
            self.file_system.invalidate_cache()
            there = set(self.file_system.find(folder, maxdepth=1)) & by_path.keys()
            found = self.file_system.cat(sorted(there)) if there else {}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._cannot("read", error) from error
        return {by_path[path]: data.decode().partition(" ")[0] for path, data in found.items()}

    def clear(self, numbers: Iterable[int]) -> None:
        """Remove finished shards, the digest first, so that an interruption never leaves a digest without its shard."""
        for number in sorted(self.digests(numbers)):
            for path in (f"{self.path(number)}.sha256", self.path(number)):
                self.file_system.rm_file(path)

    def sweep(self) -> None:
        """Remove temporary files of writers that were killed."""
        folder, _, stem = self.job_path.removesuffix(".json").rpartition("/")
        for path in self.file_system.glob(f"{folder}/.{stem}-*{'.tmp' if self.local else '.part'}"):
            self.file_system.rm_file(path)

    def _put(self, path: str, data: bytes) -> None:
        if self.local:
            write_atomic(Path(path), data)
            return
        protocol = self.file_system.protocol
        try:
            if ATOMIC & set((protocol,) if isinstance(protocol, str) else protocol):
                self.file_system.pipe_file(path, data)
                return
            folder, _, name = path.rpartition("/")
            temporary = f"{folder}/.{name}.{secrets.token_hex(4)}.part"
            self.file_system.pipe_file(temporary, data)
            self.file_system.mv(temporary, path)
        except OSError as error:
            raise self._cannot("write", error) from error

    def _cannot(self, what: str, error: OSError) -> OutputError:
        return OutputError(f"cannot {what} {self.address} ({error.strerror or error})", "is it there, and may you write to it?")
