"""Listening and shutting down."""

import socket

import uvicorn
from fastapi import FastAPI

from gansample.errors import BackendUnavailable
from gansample.http.protocol import limited_protocol
from gansample.http.settings import Settings

DRAIN = 30  # seconds to answer what was accepted before SIGTERM


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BackendUnavailable if the address is not available."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise BackendUnavailable(
            f"cannot listen on {host}:{port} ({error.strerror})", "choose another --port or --host"
        ) from None


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
