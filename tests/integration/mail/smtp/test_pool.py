"""A bounded number of connections is kept for many messages, and nobody waits for a server that is away (R33)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from publisher.domain.delivery_event import EventKind
from publisher.mail.smtp.pool import SmtpPool
from publisher.mail.smtp.verdict import Verdict
from tests.integration.mail.smtp.sending import PATIENT, envelope, smtp_server
from tests.smtp_servers import Fault, HostileSmtp, Step, hostile_smtp

T = TypeVar("T")
ACCEPTED, DEFERRED = EventKind.ACCEPTED, EventKind.DEFERRED
LOST = Fault(Step.END, close=True)


@pytest.fixture
def server() -> Iterator[HostileSmtp]:
    """A server that behaves until it is told otherwise."""
    with hostile_smtp() as running:
        yield running


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


async def sent(pool: SmtpPool, count: int) -> list[EventKind | None]:
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


def test_messages_share_a_bounded_number_of_connections(server: HostileSmtp) -> None:
    """One beyond that waits for a connection to come free."""
    events = with_pool(server, lambda pool: sent(pool, 60), connections=3)

    assert events == [ACCEPTED] * 60
    assert server.connections <= 3
    assert sorted(str(m.delivery_id) for m in server.taken) == sorted(f"d/{number}" for number in range(60))
    assert server.commands.count("QUIT") == server.connections


@pytest.mark.parametrize("messages", [500, 5])
def test_a_server_that_takes_few_connections_gets_all_messages_over_those(server: HostileSmtp, messages: int) -> None:
    """In turn, and none is told that the server is away: it only takes fewer than the settings would open."""
    server.most_open = 3
    server.always(Fault(Step.END, slow=0.002))

    events = with_pool(server, lambda pool: sent(pool, 120), connections=16, messages=messages)

    assert events == [ACCEPTED] * 120
    assert 1 <= server.turned_away <= 120 / messages + 1


def test_a_server_that_takes_fewer_and_fewer_connections_is_told_of_once(server: HostileSmtp) -> None:
    """The messages that wait for one learn that it is away once none is left."""
    server.most_open = 3
    server.once(*(Fault(Step.END, slow=seconds) for seconds in (0.2, 0.25, 0.3)))

    async def work(pool: SmtpPool) -> list[EventKind | None]:
        sending = asyncio.create_task(sent(pool, 6))
        await until(lambda: server.turned_away > 0)
        server.most_open = 0
        return await sending

    with capture_logs() as logs:
        events = with_pool(server, work, connections=6, messages=1)

    assert (events.count(ACCEPTED), events.count(None)) == (3, 3)
    assert [line["event"] for line in logs] == ["the SMTP server takes no more connections", "no mail can be sent"]


def test_a_connection_is_closed_after_its_share_of_messages(server: HostileSmtp) -> None:
    """Before a server that counts ends it in the middle."""
    with_pool(server, lambda pool: sent(pool, 6), connections=1, messages=2)

    assert server.connections == 3
    assert [message.connection for message in server.taken] == [1, 1, 2, 2, 3, 3]


def test_a_connection_that_is_not_used_is_closed(server: HostileSmtp) -> None:
    """With a goodbye, while the mail service goes on."""

    async def work(pool: SmtpPool) -> int:
        await sent(pool, 2)
        await until(lambda: server.open_connections == 0)
        await sent(pool, 1)
        return server.connections

    assert with_pool(server, work, connections=1, idle=timedelta(milliseconds=50)) == 2
    assert server.commands.count("QUIT") == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Step.AFTER, close=True),
        Fault(Step.AFTER, reply="421 4.3.2 Idle for too long", close=True),
        Fault(Step.MAIL, close=True),
        Fault(Step.MAIL, reply="421 4.7.0 Too many messages in this session", close=True),
    ],
)
def test_a_kept_connection_that_the_server_has_ended_costs_no_message(server: HostileSmtp, fault: Fault) -> None:
    """It is sent over a new one at once: nothing was refused, and nothing is deferred."""

    async def work(pool: SmtpPool) -> list[EventKind | None]:
        if fault.at is Step.AFTER:
            server.once(fault)
        first = await sent(pool, 1)
        if fault.at is not Step.AFTER:
            server.once(fault)
        return first + await sent(pool, 1)

    assert with_pool(server, work) == [ACCEPTED, ACCEPTED]
    assert (server.connections, len(server.taken)) == (2, 2)


def test_a_first_message_that_breaks_is_not_sent_again_at_once(server: HostileSmtp) -> None:
    """It may be the message: it is deferred, and the connection counts as a sign that the server is away."""
    server.once(Fault(Step.MAIL, close=True))

    async def work(pool: SmtpPool) -> tuple[EventKind | None, ...]:
        (first,) = await sent(pool, 1)
        (second,) = await sent(pool, 1)
        assert "the connection ended with its first message" in str(pool.trouble)
        return first, second, (await until_sent(pool)).event

    assert with_pool(server, work) == (DEFERRED, None, ACCEPTED)


def test_a_lost_reply_is_unsure_and_never_sent_again_by_itself(server: HostileSmtp) -> None:
    """Also on a kept connection: whether it may be sent again is not the pool's to decide (R33)."""

    async def work(pool: SmtpPool) -> Verdict | None:
        await sent(pool, 1)
        server.once(LOST)
        return await pool.send(envelope("d/lost"))

    verdict = with_pool(server, work)

    assert verdict is not None
    assert verdict.is_unsure
    assert [message.delivery_id for message in server.taken] == ["d/0", "d/lost"]


def test_a_refusal_costs_no_connection(server: HostileSmtp) -> None:
    """The server is there, whatever it says."""
    server.always(Fault(Step.RCPT, reply="550 5.1.1 Unknown"))

    assert with_pool(server, lambda pool: sent(pool, 5), connections=1) == [EventKind.BOUNCED] * 5
    assert server.connections == 1


def test_while_the_server_is_away_nobody_waits_for_it(server: HostileSmtp) -> None:
    """One message finds out, and the others are told at once; when it is back, mail goes out again."""
    server.always(Fault(Step.BANNER, close=True))

    async def work(pool: SmtpPool) -> list[EventKind | None]:
        away = await sent(pool, 200)
        assert server.connections == 1
        assert "the server closed the connection" in str(pool.trouble)
        server.calm()
        back = await until_sent(pool)
        assert pool.trouble is None
        return [*away, back.event]

    assert with_pool(server, work, connections=50) == [None] * 200 + [ACCEPTED]


def test_a_server_that_stalls_is_waited_for_once(server: HostileSmtp) -> None:
    """While one message asks a server that was away, the others do not wait with it."""
    server.always(Fault(Step.BANNER, close=True))

    async def work(pool: SmtpPool) -> list[EventKind | None]:
        await sent(pool, 1)
        server.calm()
        server.always(Fault(Step.BANNER, stall=True))
        probe = asyncio.create_task(until_sent(pool))
        await until(lambda: server.connections == 2)
        told = await sent(pool, 20)
        probe.cancel()
        await asyncio.wait([probe])
        return told

    assert with_pool(server, work) == [None] * 20


def test_messages_under_way_are_cut_off_when_the_pool_is_aborted(server: HostileSmtp) -> None:
    """Each ends at once, as broken or unsure, and no other is begun (R17)."""

    async def work(pool: SmtpPool) -> list[Verdict | None]:
        sending = []
        for step in (Step.END, Step.DATA):
            server.once(Fault(step, stall=True))
            sending.append(asyncio.create_task(pool.send(envelope())))
            await until(lambda: server.to_come == 0)
        pool.abort()
        return [await task for task in sending] + [await pool.send(envelope())]

    cut, broken, never = with_pool(server, work)

    assert cut is not None
    assert broken is not None
    assert (cut.is_unsure, broken.is_unsure, broken.event, never) == (True, False, DEFERRED, None)


def test_a_connection_that_is_being_opened_is_cut_off_as_well(server: HostileSmtp) -> None:
    """A stop does not wait for a server that does not answer (R17)."""
    server.once(Fault(Step.BANNER, stall=True))

    async def work(pool: SmtpPool) -> Verdict | None:
        sending = asyncio.create_task(pool.send(envelope()))
        await until(lambda: server.connections == 1)
        pool.abort()
        return await sending

    assert with_pool(server, work) is None
