"""A public link to the running page, or the reason why there is none, within 30 seconds.

The link is Gradio's: a program (frpc) connects to its service, which forwards visitors through that connection. Gradio
runs the program unchecked once it is on disk; here its digest is checked before every run, and a download before it is
written.
"""

import hashlib
import queue
import re
import secrets
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

from gradio import networking, tunneling
from gradio.exceptions import ShareCertificateWriteError

from gansample.errors import BackendUnavailable, GansampleError, OutputError, UsageError
from gansample.system.atomic import write_atomic

PATIENCE_SECONDS = 28.0
DOWNLOAD_SECONDS = 10.0  # without a byte


def open_link(port: int, host: str = "127.0.0.1", patience: float = PATIENCE_SECONDS, server: str | None = None) -> str:
    """The public address of the page on `port`, open until `close_link`.

    server  HOST:PORT of your own frp server; None is Gradio's service.

    Raises BackendUnavailable with the cause: no network, a tunnel program that is missing, altered or blocked, a folder that
    cannot be written, or no answer within `patience` seconds. Raises UsageError for a `server` that is not HOST:PORT.
    """
    if server is not None and re.fullmatch(r"[^:/\s]+:[0-9]{1,5}", server) is None:
        raise UsageError(f"--tunnel-server {server} is not HOST:PORT", "write it like tunnel.example.org:7000")
    outcome: queue.Queue[str | Exception] = queue.Queue()

    def dial() -> None:
        try:
            outcome.put(_dial(host, port, server))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=dial, daemon=True, name="share").start()
    try:
        result = outcome.get(timeout=patience)
    except queue.Empty:
        result = BackendUnavailable(
            f"the tunnel gave no answer in {patience:.0f} s", "a firewall may block it, try again later"
        )
    if isinstance(result, Exception):
        close_link()
        raise _explain(result) from result
    return result


def close_link() -> None:
    """Stop the tunnel program if it is running."""
    while tunneling.CURRENT_TUNNELS:
        tunnel = tunneling.CURRENT_TUNNELS.pop()
        program, tunnel.proc = tunnel.proc, None  # otherwise Gradio kills it at exit and prints to stdout
        if program is not None:
            program.kill()  # it has no state to save
            with program:
                pass


def _dial(host: str, port: int, server: str | None) -> str:
    _verified_program(Path(tunneling.BINARY_PATH), tunneling.BINARY_URL)
    address = networking.setup_tunnel(
        local_host=host,
        local_port=port,
        share_token=secrets.token_urlsafe(32),
        share_server_address=server,
        share_server_tls_certificate=None,
    )
    return urlparse(address)._replace(scheme="https" if server is None else "http").geturl()


def _verified_program(path: Path, source: str) -> None:
    """Check that `path` has the digest that Gradio pins for `source`, downloading it if it is missing."""
    expected = tunneling.CHECKSUMS.get(source)
    if expected is None:
        raise BackendUnavailable("Gradio has no tunnel program for this kind of machine", source)
    if path.exists():
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise BackendUnavailable(
                f"{path} has sha256 {found[:12]}…, expected {expected[:12]}…",
                "it is damaged or was changed: delete it and try again",
            )
        return
    host = urlparse(source).hostname
    try:
        with urllib.request.urlopen(source, timeout=DOWNLOAD_SECONDS) as response:
            program = response.read()
    except urllib.error.HTTPError as error:
        error.close()
        raise BackendUnavailable(f"{host} refuses the tunnel program (HTTP {error.code})", "a proxy may block it") from None
    if hashlib.sha256(program).hexdigest() != expected:
        raise BackendUnavailable(f"{host} sent another file than {path.name}", "something in between blocks or changes it")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, program)
    path.chmod(0o755)


def _explain(error: Exception) -> GansampleError:
    """The error to show for whatever stopped the connection."""
    match error:
        case BackendUnavailable():
            return error
        case urllib.error.URLError() | TimeoutError():
            host = urlparse(tunneling.BINARY_URL).hostname
            reason = getattr(error, "reason", error)
            return BackendUnavailable(f"no network: cannot reach {host} ({reason})", "check the connection or the firewall")
        case ShareCertificateWriteError() | OutputError():
            return BackendUnavailable(f"a folder is read-only: {error}", "set HF_HOME to a folder you may write to")
        case PermissionError() if error.filename == tunneling.BINARY_PATH:
            return BackendUnavailable(
                f"{error.filename} may not run ({error.strerror})", "an antivirus or a noexec disk blocks it"
            )
        case OSError():
            return BackendUnavailable(f"{error.strerror} ({error.filename})", "set HF_HOME to a folder you may write to")
        case RuntimeError():
            host = urlparse(networking.GRADIO_API_SERVER).hostname
            return BackendUnavailable(
                f"no network: cannot reach {host} ({error.__cause__})", "check the connection or the firewall"
            )
        case _:
            first = str(error).strip().splitlines() or [type(error).__name__]
            return BackendUnavailable(f"the tunnel failed ({first[-1]})", "try again later")
