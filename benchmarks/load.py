"""A load generator in a process of its own: asyncio, raw HTTP/1.1, kept-alive connections. Prints what it saw as JSON.

    python -m benchmarks.load closed PORT KIND CLIENTS SECONDS      every client asks again as soon as it is answered
    python -m benchmarks.load open PORT KIND RATE SECONDS           so many requests a second, whatever the answers

KIND is ours (GET one picture), litserve or ray (POST one seed to the peer), many (POST 64 pictures), or v2 (POST one seed to
the model `bundle` in the Open Inference Protocol; raw pixels come back).
"""

import asyncio
import json
import sys
import time
from collections import Counter
from itertools import count

SEEDS = count()
MAX_CONNECTIONS = 400
V2 = (
    b'{"inputs": [{"name": "seed", "datatype": "INT64", "shape": [1, 1], "data": [%d]}],'
    b' "parameters": {"binary_data_output": true}}'
)


def request(kind: str, port: int) -> bytes:
    seed = next(SEEDS)
    if kind == "ours":
        return b"GET /v1/images/%d.png HTTP/1.1\r\nHost: localhost\r\n\r\n" % seed
    path, body = {
        "many": (b"/v1/images/generations", b'{"n": 64, "seed": %d}' % (64 * seed)),
        "litserve": (b"/predict", b'{"seed": %d}' % seed),
        "ray": (b"/", b'{"seed": %d}' % seed),
        "v2": (b"/v2/models/bundle/infer", V2 % seed),
    }[kind]
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (path, len(body)) + body


class Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, data: bytes) -> int:
        """The status; 0 where the connection broke. An idle one may have been closed meanwhile: then a new one is tried."""
        if self._streams is not None and (status := await self._try(data)):
            return status
        return await self._try(data)

    async def _try(self, data: bytes) -> int:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            if b"connection: close" in head:
                self._streams = None
            return int(head.split(b" ", 2)[1])
        except (OSError, ValueError, asyncio.IncompleteReadError):
            self._streams = None
            return 0


async def closed(port: int, kind: str, clients: int, seconds: float) -> tuple[Counter[int], list[float]]:
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = Connection(port)
        while (started := time.perf_counter()) < end:
            statuses[await connection.ask(request(kind, port))] += 1
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(client() for _ in range(clients)))
    return statuses, latencies


async def opened(port: int, kind: str, rate: float, seconds: float) -> tuple[Counter[int], list[float]]:
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    idle = [Connection(port) for _ in range(MAX_CONNECTIONS)]
    asking: set[asyncio.Task[None]] = set()

    async def one(connection: Connection) -> None:
        started = time.perf_counter()
        statuses[await connection.ask(request(kind, port))] += 1
        latencies.append(time.perf_counter() - started)
        idle.append(connection)

    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        if (wait := started + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if not idle:  # all are waiting: that is load as well
            await asyncio.sleep(0)
            continue
        task = asyncio.create_task(one(idle.pop()))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    return statuses, latencies


def main(mode: str, port: str, kind: str, amount: str, seconds: str) -> None:
    started = time.perf_counter()
    if mode == "closed":
        statuses, latencies = asyncio.run(closed(int(port), kind, int(amount), float(seconds)))
    else:
        statuses, latencies = asyncio.run(opened(int(port), kind, float(amount), float(seconds)))
    took = time.perf_counter() - started
    latencies.sort()
    ranks = {f"p{rank}": round(1000 * latencies[min(len(latencies) - 1, len(latencies) * rank // 100)], 1) for rank in (50, 99)}
    print(json.dumps({"statuses": dict(statuses), "per_second": round(statuses[200] / took, 1), "milliseconds": ranks}))


if __name__ == "__main__":
    main(*sys.argv[1:])
