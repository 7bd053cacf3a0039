"""The pace of one mail process."""

import asyncio

from publisher.domain.rate_limit import RateLimit
from publisher.mail.pacing import Pacing


def takes(pacing: Pacing, count: int) -> int:
    """How many of so many messages may be sent without waiting."""

    async def run() -> int:
        done = 0

        async def one() -> None:
            nonlocal done
            await pacing.take(asyncio.Event())
            done += 1

        tasks = [asyncio.create_task(one()) for _ in range(count)]
        await asyncio.sleep(0)
        at_once = done
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return at_once

    return asyncio.run(run())


def test_without_a_rate_nothing_waits() -> None:
    """Messages go as fast as the server takes them."""
    assert takes(Pacing(None), 1000) == 1000


def test_a_burst_goes_at_once_and_the_rest_waits() -> None:
    """Never more than rate × time + burst in any window."""
    assert takes(Pacing(RateLimit(2, 5), clock=lambda: 0.0), 20) == 5


def test_after_a_quiet_time_no_more_than_a_burst_goes_at_once() -> None:
    """Tokens are not saved up beyond the burst."""
    now = 0.0
    pacing = Pacing(RateLimit(2, 5), clock=lambda: now)
    now = 1000.0

    assert takes(pacing, 20) == 5


def test_whoever_waits_is_let_go_by_a_stop() -> None:
    """A process that stops is not kept by its rate (R17)."""

    async def run() -> None:
        pacing, stopping = Pacing(RateLimit(0.001, 1)), asyncio.Event()
        await pacing.take(stopping)
        waiting = asyncio.create_task(pacing.take(stopping))
        await asyncio.sleep(0)
        assert not waiting.done()
        stopping.set()
        await waiting

    asyncio.run(run())
