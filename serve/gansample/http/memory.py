"""How much memory requests take, counted before anything is drawn, and limited over all requests in flight.

What a request allocates is known from its sizes: the pictures, what its form of response makes of them, and the response,
until the client has it. One that would take more than all may together is refused; otherwise it waits, first come, first
served, until others have been sent. The latents and the engine's own batch are small and bounded beside it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from starlette.requests import Request

from gansample.http.errors import ApiError, deadline_exceeded

MIB = 1 << 20

# Bytes for each value (a channel of a pixel) at the peak: the pictures, what the encoder makes of them, and the response.
# Measured as resident memory with noise, which compresses worst, of 1 to 4 channels, and rounded up.
PNG_SHEET, PNG_FILES, NPZ, RAW_TENSOR, JSON_TENSOR = 5, 9, 5, 4, 13
WEBP_PIXEL = 48  # bytes for each pixel of a lossless WebP, whatever its channels
PER_PICTURE = 4096  # bytes for its metadata, its base64 and its place in lists


class Memory:
    """`limit` bytes that requests share. For one event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, amount: int) -> None:
        """Wait until `amount` bytes are free, and hold them. Raises ApiError 413 for more than there are."""
        if amount > self.limit:
            raise ApiError(
                413,
                f"the response takes about {-(-amount // MIB):,} MiB of memory to make, and all requests together may take "
                f"{self.limit // MIB:,}: ask for fewer pictures, or for another format",
            )
        if not self._waiting and self.held + amount <= self.limit:
            self.held += amount
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                self._grant()  # those behind it may fit
            else:
                self.give_back(amount)
            raise

    def give_back(self, amount: int) -> None:
        self.held -= amount
        self._grant()

    def _grant(self) -> None:
        while self._waiting:
            amount, granted = self._waiting[0]
            if not granted.cancelled():
                if self.held + amount > self.limit:
                    break
                self.held += amount
                granted.set_result(None)
            self._waiting.popleft()


class Share:
    """What one request holds, until its response is with the client."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._held = memory, 0

    async def take(self, amount: int) -> None:
        await self._memory.take(amount)
        self._held += amount

    def give_back(self) -> None:
        self._memory.give_back(self._held)
        self._held = 0


@contextlib.asynccontextmanager
async def room_for(request: Request, amount: int, deadline: float) -> AsyncIterator[None]:
    """Wait for room, then draw; the guard gives it back once the response was sent.

    amount    bytes.
    deadline  seconds for waiting and drawing together.

    Raises ApiError 413 or 504.
    """
    try:
        async with asyncio.timeout(deadline):
            await request.scope["memory"].take(amount)
            yield
    except TimeoutError:
        raise deadline_exceeded(deadline) from None


def sheet_bytes(width: int, height: int, channels: int, kind: str) -> int:
    """At the peak, for one file `kind` of this size, and the pictures on it."""
    return width * height * (WEBP_PIXEL if kind == "webp" else PNG_SHEET * channels)


def files_bytes(count: int, shape: tuple[int, int, int], kind: str) -> int:
    """At the peak, for a file `kind` of each of `count` pictures of `shape` (H, W, C), as base64 in JSON."""
    height, width, channels = shape
    encoder = WEBP_PIXEL * height * width if kind == "webp" else 0  # one after the other
    return count * (PNG_FILES * height * width * channels + PER_PICTURE) + encoder
