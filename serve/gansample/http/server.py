"""Listening and shutting down."""

import errno
import socket

import uvicorn
from fastapi import FastAPI

from gansample.errors import BackendUnavailable
from gansample.http.protocol import limited_protocol
from gansample.http.settings import Settings

MAX_PORT = 65_535
DRAIN = 30  # seconds to answer what was accepted before SIGTERM


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BackendUnavailable if the address is not available, with the option that names another."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason, hint = _listen_error(error, port)
        raise BackendUnavailable(f"cannot listen on {host}:{port} ({reason})", hint) from None


def _listen_error(error: OSError, port: int) -> tuple[str, str]:
    """What is wrong with the address, and what to do next."""
    match error.errno:
        case errno.EADDRINUSE:
            another = port + 1 if port < MAX_PORT else port - 1
            return f"another program has port {port}", f"stop that one, or choose another port: --port {another}"
        case errno.EACCES:
            return f"port {port} needs the administrator's rights", "choose a --port from 1024 on"
        case _:  # the address
            return (error.strerror or str(error)).partition(" (while")[
                0
            ], "choose a --host of this machine: 127.0.0.1, or 0.0.0.0 for all it has"


def serve(app: FastAPI, listener: socket.socket, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; then refuse new requests, answer the accepted ones, and return."""
    make_server(app, settings).run(sockets=[listener])


def make_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=limited_protocol(settings),
        ws="none",  # a request to upgrade is an ordinary request, and passes the guard like any other
        proxy_headers=False,  # anybody may write X-Forwarded-For: limits and log go by who really connects
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=DRAIN,
    )
    return uvicorn.Server(config)
