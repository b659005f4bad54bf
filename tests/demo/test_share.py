"""A public link is opened only with the tunnel program Gradio vouches for; where none can be made, one line says why.

No test dials out: a local stand-in answers for Gradio's service, and a shell script for its tunnel program.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gradio import networking, tunneling

from demo.share import close_link, open_link
from gansample.errors import BackendUnavailable, UsageError
from tests.support.run_demo import serve_files

Script = Callable[[str], Path]


@pytest.fixture
def tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """tunnel(script) makes `script` the program that the service offers for download and Gradio vouches for."""
    program = b"#!/bin/sh\n"
    served = {"/tunnel-request": json.dumps([{"host": "tunnel.test", "port": 7000, "root_ca": "certificate"}]).encode()}
    with serve_files(served) as service:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(networking, "GRADIO_API_SERVER", f"{service}/tunnel-request")
        monkeypatch.setattr(tunneling, "BINARY_URL", f"{service}/frpc")
        monkeypatch.setattr(tunneling, "BINARY_PATH", str(tmp_path / "hub" / "frpc"))

        def offer(script: str) -> Path:
            served["/frpc"] = program + script.encode()
            monkeypatch.setattr(tunneling, "CHECKSUMS", {f"{service}/frpc": hashlib.sha256(served["/frpc"]).hexdigest()})
            return tmp_path / "hub" / "frpc"

        yield offer
        close_link()


def refusal(patience: float = 10.0) -> str:
    with pytest.raises(BackendUnavailable) as error:
        open_link(7860, patience=patience)
    assert tunneling.CURRENT_TUNNELS == []
    return str(error.value)


def is_running(pid: int) -> bool:
    """Alive, and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_link_is_opened_and_closed(tunnel: Script, tmp_path: Path) -> None:
    program = tunnel('echo $$ > pid; echo "$@" > arguments; echo "start proxy success: http://abc.gradio.live"; exec sleep 60')
    assert open_link(7861) == "https://abc.gradio.live"
    assert program.stat().st_mode & 0o111
    assert "-l 7861 -i 127.0.0.1" in (tmp_path / "arguments").read_text()
    pid = int((tmp_path / "pid").read_text())
    assert is_running(pid)
    close_link()
    for _ in range(100):
        if not is_running(pid):
            break
        time.sleep(0.05)
    assert not is_running(pid)


def test_a_server_of_ones_own_is_dialled_and_nobody_else_is_asked(
    tunnel: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel('echo "$@" > arguments; echo "start proxy success: http://abc.tunnel.test"; exec sleep 60')
    monkeypatch.setattr(networking, "GRADIO_API_SERVER", "http://127.0.0.1:9/")
    assert open_link(7861, server="tunnel.test:7000") == "http://abc.tunnel.test"
    assert "--server_addr tunnel.test:7000" in (tmp_path / "arguments").read_text()


@pytest.mark.parametrize("server", ["tunnel.test", "http://tunnel.test:7000", "a b:1", ":7000", "tunnel.test:port"])
def test_an_invalid_server_address_is_refused_before_anything_is_run(server: str) -> None:
    with pytest.raises(UsageError, match="write it like"):
        open_link(7861, server=server)


def test_an_altered_program_is_never_run(tunnel: Script, tmp_path: Path) -> None:
    program = tunnel("exit 0")
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ntouch was-run\n")
    program.chmod(0o755)
    assert "delete it and try again" in refusal()
    assert not (tmp_path / "was-run").exists()


def test_an_altered_download_is_not_even_written(tunnel: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tunnel("exit 0")
    monkeypatch.setattr(tunneling, "CHECKSUMS", {tunneling.BINARY_URL: "0" * 64})
    assert "sent another file" in refusal()
    assert not program.exists()


def test_a_program_that_may_not_run_is_named(tunnel: Script) -> None:
    program = tunnel("exit 0")
    program.parent.mkdir()
    program.write_bytes(b"#!/bin/sh\nexit 0")
    program.chmod(0o644)
    assert "may not run (Permission denied)" in refusal()


def test_a_silent_tunnel_is_given_up_on_and_ended(tunnel: Script, tmp_path: Path) -> None:
    tunnel("echo $$ > pid; exec sleep 60")
    started = time.monotonic()
    assert refusal(patience=1.5).startswith("the tunnel gave no answer in 2 s")
    assert time.monotonic() - started < 5
    time.sleep(0.2)
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_a_tunnel_that_is_turned_away_says_so(tunnel: Script) -> None:
    tunnel('echo "login to server failed: no room"; exec sleep 60')
    assert refusal() == "the tunnel failed (login to server failed: no room): try again later"


def test_a_folder_that_cannot_be_written_is_named(tunnel: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel("exit 0")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tunneling, "BINARY_PATH", str(tmp_path / "file" / "frpc"))
    assert "set HF_HOME to a folder you may write to" in refusal()


def test_a_read_only_working_directory_is_named(tunnel: Script, tmp_path: Path) -> None:
    tunnel("exit 0")
    (tmp_path / ".gradio").write_text("in the way")
    assert refusal().startswith("a folder is read-only")


def test_a_refused_download_names_host_and_code(tunnel: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    tunnel("exit 0")
    elsewhere = tunneling.BINARY_URL.replace("/frpc", "/other")
    monkeypatch.setattr(tunneling, "BINARY_URL", elsewhere)
    monkeypatch.setattr(tunneling, "CHECKSUMS", {elsewhere: "0" * 64})
    assert "127.0.0.1 refuses the tunnel program (HTTP 403)" in refusal()


@pytest.mark.parametrize("part", ["BINARY_URL", "GRADIO_API_SERVER"])
def test_no_network_is_reported_with_the_host(tunnel: Script, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    program = tunnel("exit 0")
    nowhere = "http://127.0.0.1:9/frpc"
    if part == "BINARY_URL":
        monkeypatch.setattr(tunneling, part, nowhere)
        monkeypatch.setattr(tunneling, "CHECKSUMS", {nowhere: "0" * 64})
    else:
        monkeypatch.setattr(networking, part, nowhere)
    assert refusal().startswith("no network: cannot reach 127.0.0.1")
    assert program.exists() is (part == "GRADIO_API_SERVER")


def test_a_machine_without_a_tunnel_program_is_reported(tunnel: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunneling, "CHECKSUMS", {})
    assert "no tunnel program for this kind of machine" in refusal()
