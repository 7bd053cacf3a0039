"""Sends messages from a test over a pool of connections."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from publisher.domain.delivery_event import EventKind
from publisher.mail.smtp.pool import SmtpPool
from publisher.mail.smtp.verdict import Verdict
from tests.integration.mail.smtp.sending import PATIENT, envelope, smtp_server
from tests.smtp_servers import HostileSmtp

T = TypeVar("T")


def with_pool(
    server: HostileSmtp,
    work: Callable[[SmtpPool], Awaitable[T]],
    *,
    connections: int = 4,
    messages: int = 500,
    idle: timedelta = PATIENT,
) -> T:
    """Does the work with a pool, and closes it."""

    async def run() -> T:
        pool = SmtpPool(smtp_server(server.url), connections, messages, idle)
        try:
            async with asyncio.timeout(PATIENT.total_seconds()):
                return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


async def sent_at_once(pool: SmtpPool, count: int) -> list[EventKind | None]:
    """Sends so many messages at once: each one's event, or None if it was not tried."""
    verdicts = await asyncio.gather(*(pool.send(envelope(f"d/{number}")) for number in range(count)))
    return [None if verdict is None else verdict.event for verdict in verdicts]


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition that another thread brings about."""
    while not condition():
        await asyncio.sleep(0.002)


async def until_sent(pool: SmtpPool) -> Verdict:
    """Sends a message as soon as the server is asked again."""
    while (verdict := await pool.send(envelope("d/again"))) is None:
        await asyncio.sleep(0.01)
    return verdict
