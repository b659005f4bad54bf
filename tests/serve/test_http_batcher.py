"""Requests of any size share batches; each gets its own pictures, and a failing one fails alone."""

import asyncio
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gansample.http.batcher import Batcher
from gansample.http.errors import ApiError
from gansample.types import Images, Labels, Latents

BATCH = 8


def echo(z: Latents, label: Labels | None) -> Images:
    """A picture that tells which latent it is of."""
    return np.repeat(z[:, :1].astype(np.uint8), 4, axis=1).reshape(-1, 2, 2, 1)


def latents_from(first: int, n: int) -> Latents:
    return np.arange(first, first + n, dtype=np.float32)[:, None] % 256


def opened(run: Callable[[Latents, Labels | None], Images] = echo, **limits: float) -> Batcher:
    return Batcher(run, **{"batch": BATCH, "max_waiting": 10_000, "deadline": 10.0, **limits})  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_each_request_gets_its_own_pictures(sizes: list[int]) -> None:
    batches: list[int] = []

    def run(z: Latents, label: Labels | None) -> Images:
        batches.append(len(z))  # judged below: what is raised in here, the batcher takes for a bad picture and draws again
        return echo(z, label)

    async def scenario() -> None:
        batcher = opened(run)
        starts = np.cumsum([0, *sizes[:-1]])
        answers = await asyncio.gather(
            *(batcher.infer(latents_from(int(s), n), None) for s, n in zip(starts, sizes, strict=True))
        )
        for start, n, images in zip(starts, sizes, answers, strict=True):
            assert images.shape == (n, 2, 2, 1)
            assert np.array_equal(images[:, 0, 0, 0], latents_from(int(start), n)[:, 0].astype(np.uint8))
        assert batcher.waiting == 0
        batcher.close()

    asyncio.run(scenario())
    assert set(batches) <= set(range(1, BATCH + 1))
    assert sum(batches) == sum(sizes), "every picture once"


def test_small_requests_share_batches() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def run(z: Latents, label: Labels | None) -> Images:
        sizes.append(len(z))
        gate.wait(5)
        return echo(z, label)

    async def scenario() -> None:
        batcher = opened(run)
        waiting = [asyncio.ensure_future(batcher.infer(latents_from(i, 1), None)) for i in range(17)]
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(*waiting)
        batcher.close()

    asyncio.run(scenario())
    assert sum(sizes) == 17
    assert len(sizes) <= 4, "and not in seventeen batches"


def test_one_bad_picture_fails_alone() -> None:
    def run(z: Latents, label: Labels | None) -> Images:
        if (z == 13).any():
            raise RuntimeError("this one cannot be drawn")
        return echo(z, label)

    async def scenario() -> None:
        batcher = opened(run)
        answers = await asyncio.gather(*(batcher.infer(latents_from(i, 1), None) for i in range(20)), return_exceptions=True)
        wrong = [i for i, answer in enumerate(answers) if isinstance(answer, BaseException)]
        assert wrong == [13]
        assert batcher.alive
        batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("deadly", [SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_nothing_kills_the_engine_thread(deadly: BaseException) -> None:
    def run(z: Latents, label: Labels | None) -> Images:
        if (z == 13).any():
            raise deadly
        return echo(z, label)

    async def scenario() -> None:
        batcher = opened(run)
        with pytest.raises((RuntimeError, MemoryError)):
            await batcher.infer(latents_from(13, 1), None)
        assert batcher.alive
        assert len(await batcher.infer(latents_from(0, 3), None)) == 3
        batcher.close()

    asyncio.run(scenario())


def slow(z: Latents, label: Labels | None) -> Images:
    time.sleep(0.1)
    return echo(z, label)


def test_a_full_queue_says_when_to_come_back() -> None:
    async def scenario() -> None:
        batcher = opened(slow, max_waiting=20)
        waiting = [asyncio.ensure_future(batcher.infer(latents_from(0, 10), None)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await batcher.infer(latents_from(0, 20), None)
        assert refused.value.status == 429
        assert int(refused.value.headers["Retry-After"]) >= 1
        await asyncio.gather(*waiting)
        batcher.close()

    asyncio.run(scenario())


def test_cancelled_and_expired_requests_are_skipped() -> None:
    drawn: list[int] = []

    def run(z: Latents, label: Labels | None) -> Images:
        drawn.extend(z[:, 0].astype(int).tolist())
        return slow(z, label)

    async def scenario() -> None:
        batcher = opened(run, deadline=0.15)
        first = asyncio.ensure_future(batcher.infer(latents_from(0, BATCH), None))
        await asyncio.sleep(0.02)
        leaving = asyncio.ensure_future(batcher.infer(latents_from(100, 4), None))
        await asyncio.sleep(0.02)
        leaving.cancel()
        late = [asyncio.ensure_future(batcher.infer(latents_from(120 + 10 * i, BATCH), None)) for i in range(4)]
        await first
        answers = await asyncio.gather(*late, return_exceptions=True)
        assert [answer.status for answer in answers if isinstance(answer, ApiError)][-1:] == [504]
        await asyncio.sleep(0.3)
        assert batcher.waiting == 0
        batcher.close()

    asyncio.run(scenario())
    assert not set(drawn) & set(range(100, 104))
    assert 157 not in drawn, "nor what nobody waits for any more"


def test_closing_draws_what_was_accepted() -> None:
    async def scenario() -> None:
        batcher = opened(slow)
        waiting = [asyncio.ensure_future(batcher.infer(latents_from(i, 5), None)) for i in range(6)]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(batcher.close)
        assert all(len(images) == 5 for images in await asyncio.gather(*waiting))
        with pytest.raises(ApiError) as refused:
            await batcher.infer(latents_from(0, 1), None)
        assert refused.value.status == 503

    asyncio.run(scenario())
