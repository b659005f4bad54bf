"""Rate limits for each visitor and for all together, so that nobody can keep the others from drawing."""

import json
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from starlette.types import ASGIApp, Receive, Scope, Send

REMEMBERED = 10_000  # clients; the least recently seen are forgotten and start again with a full bucket
EVERYBODY = ""  # the key under which all clients are counted together


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A token bucket: `burst` requests at once, refilled by `per_second`."""

    burst: int
    per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    draws: Rate = Rate(burst=20, per_second=2)
    all_draws: Rate = Rate(burst=80, per_second=10)
    sign_ins: Rate = Rate(burst=5, per_second=1 / 12)
    """A password of 72 bits cannot be guessed at this rate; Gradio itself does not limit attempts."""
    all_sign_ins: Rate = Rate(burst=30, per_second=0.5)
    waiting: int = 8
    """Queued draws of one client."""
    connections: int = 64
    """Simultaneous connections of one client; a page keeps two open."""
    all_connections: int = 512


class Buckets:
    """One token bucket per client: a request takes a token, time refills them."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client: tokens, and when they were counted

    def __len__(self) -> int:
        """The number of clients remembered."""
        return len(self._levels)

    def take(self, client: str) -> float:
        """Take a token. Returns 0 if the request may pass, else the seconds until one may."""
        now = self._clock()
        level, counted = self._levels.pop(client, (float(self._rate.burst), now))
        level = min(level + (now - counted) * self._rate.per_second, float(self._rate.burst))
        allowed = level >= 1
        self._levels[client] = (level - allowed, now)
        if len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return 0.0 if allowed else (1 - level) / self._rate.per_second


class Throttle:
    """ASGI middleware: 429 with Retry-After for requests over `limits`.

    The client's address is uvicorn's: the peer, or what an announced proxy on this machine (such as the tunnel) says.

    waiting  returns the number of a client's queued draws.
    """

    def __init__(self, app: ASGIApp, limits: Limits, waiting: Callable[[str], int]) -> None:
        self.app, self._limits, self._waiting = app, limits, waiting
        self._draws, self._all_draws = Buckets(limits.draws), Buckets(limits.all_draws)
        self._sign_ins, self._all_sign_ins = Buckets(limits.sign_ins), Buckets(limits.all_sign_ins)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else "unknown"
        if (refusal := self._refusal(client, scope["method"], scope["path"])) is not None:
            await _refuse(send, *refusal)
            return
        self._open.update((client, EVERYBODY))
        try:
            await self.app(scope, receive, send)
        finally:
            self._open.subtract((client, EVERYBODY))
            if not self._open[client]:
                del self._open[client]

    def _refusal(self, client: str, method: str, path: str) -> tuple[str, float] | None:
        """The reason for the refusal and the seconds to wait; None if the request may pass."""
        if self._open[client] >= self._limits.connections or self._open[EVERYBODY] >= self._limits.all_connections:
            return "too many connections at once", 5
        if method != "POST":
            return None
        if path.startswith("/login"):
            if seconds := self._sign_ins.take(client) or self._all_sign_ins.take(EVERYBODY):
                return "too many attempts to sign in", seconds
        elif path.startswith(("/gradio_api/queue/join", "/gradio_api/call/")):
            if self._waiting(client) >= self._limits.waiting:
                return f"{self._limits.waiting} of your draws are waiting already", 2
            if seconds := self._draws.take(client):
                return "that was too fast", seconds
            if seconds := self._all_draws.take(EVERYBODY):
                return "too many visitors are drawing", seconds
        return None


async def _refuse(send: Send, why: str, seconds: float) -> None:
    wait = max(1, ceil(seconds))
    body = json.dumps({"detail": f"{why}: try again in {wait} s"}).encode()  # Gradio's page shows what `detail` says
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(wait).encode()),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
