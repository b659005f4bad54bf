"""Listening and shutting down: uvicorn, with a limit on the time that a client may take to send its request."""

import asyncio
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gansample.errors import BackendUnavailable
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
    config = uvicorn.Config(
        app,
        http=_protocol_with_timeout(settings.read_seconds),
        ws="none",  # a request to upgrade is an ordinary request, and passes the guard like any other
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=DRAIN,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _protocol_with_timeout(seconds: float) -> type[asyncio.Protocol]:
    class ReadTimeoutProtocol(HttpToolsProtocol):
        """Closes a connection whose headers do not arrive in time; uvicorn itself would wait forever."""

        _timer: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._timer = self.loop.call_later(seconds, self._on_timeout)

        def data_received(self, data: bytes) -> None:
            if self._timer is None and (self.cycle is None or self.cycle.response_complete):
                self._timer = self.loop.call_later(seconds, self._on_timeout)
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._stop_timer()
            super().on_headers_complete()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(error)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _on_timeout(self) -> None:
            self._timer = None
            self.transport.close()

    return ReadTimeoutProtocol
