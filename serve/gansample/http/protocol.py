"""uvicorn's HTTP/1.1 with limits that it does not have: on headers, and on how long a client may take to send or to read.

uvicorn waits forever for headers and buffers all of them, whose cost grows with the square of their size: one stream of them
holds up every other client.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gansample.http.errors import ApiError, error_response
from gansample.http.guard import new_request_id
from gansample.http.settings import Settings

MAX_PIPELINED = 16  # requests that wait behind one on the same connection
LINGER, MAX_LINGER = 2.0, 1 << 23  # seconds, bytes: what a refused client still sends is read, or it would not see the refusal
FRAMING = 8  # bytes around each byte of a body: in chunks of one byte there are five

logger = logging.getLogger(__name__)


def limited_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """A protocol class for `uvicorn.Config(http=…)`."""

    class Limited(LimitedProtocol):
        limits = settings

    return Limited


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    limits: Settings
    _running: RequestResponseCycle | None = None
    """The request that the application has; `cycle` is the last one that arrived."""
    _reading: asyncio.TimerHandle | None = None
    """Runs while a request's headers are awaited."""
    _writing: asyncio.TimerHandle | None = None
    """Runs while the client does not read."""
    _in_body = False
    """Whether `cycle` is the request that is being received, and not the one before it."""
    _refused = False
    _received = _body = _head = _discarded = 0
    """Bytes of the present request: received, of its body, of its headers as they were parsed; and of what nobody reads."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._reading = self.loop.call_later(self.limits.read_seconds, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_reading()
        self._stop_writing()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        self._leave()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._discard(len(data), MAX_LINGER)
            return
        if self._reading is None and (self.cycle is None or self.cycle.response_complete):
            self._reading = self.loop.call_later(self.limits.read_seconds, self._close)
        self._received += len(data)
        if not self.flow.write_paused:
            self._stop_writing()  # it has read what it asked for before
        super().data_received(data)
        if self._received - self._body > self.limits.max_head + FRAMING * self._body:
            self._refuse_head()

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_reading()
        if self._head > self.limits.max_head:
            self._refuse_head()
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._refused = True
            self._abort()
        if not self._refused:
            super().on_headers_complete()
            self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._refused:
            return
        if self.cycle.response_complete:  # refused before it was read, and the client sends it all the same
            self._discard(len(body), self.limits.max_body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._received = self._body = self._discarded = 0
        self._in_body = False
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._start_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(ApiError(400, "this is no HTTP request"))

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked; whatever the client sends next is not HTTP any more."""
        self.cycle.keep_alive = False

    def _refuse_head(self) -> None:
        self._refuse(ApiError(431, f"the address and the headers have more than {self.limits.max_head:,} bytes"))

    def _refuse(self, error: ApiError) -> None:
        """Answer instead of the application, and close."""
        if self._refused:
            return
        self._refused = True
        self._stop_reading()
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            if not self._in_body or self.cycle.response_started or self.pipeline:
                self._abort()  # another response is on its way
                return
            self._leave()  # the application waits for a body that does not come
        logger.warning("%s is refused: %s", self.client[0] if self.client else "a client", error.message)
        request_id = new_request_id()
        response = error_response(error, request_id)
        headers = [*response.raw_headers, (b"connection", b"close"), (b"x-request-id", request_id.encode())]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(b"".join((STATUS_LINE[error.status], lines, b"\r\n", response.body)))
        self._reading = self.loop.call_later(LINGER, self._close)

    def _discard(self, size: int, limit: int) -> None:
        self._discarded += size
        if self._discarded > limit:
            self._abort()

    def _close(self) -> None:
        self._reading = None
        self.transport.close()

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = self.loop.call_later(self.limits.write_seconds, self._check_written)

    def _check_written(self) -> None:
        self._writing = None
        if self.transport.get_write_buffer_size():
            self._abort()

    def _abort(self) -> None:
        self._leave()
        self.transport.abort()

    def _leave(self) -> None:
        """Tell the application now that nobody is there: a moment later the transport raises for what is written to it."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _stop_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
