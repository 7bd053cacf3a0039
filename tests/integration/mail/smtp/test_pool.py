"""A bounded number of connections is kept for many messages, and cut off by a stop (R17, R33)."""

import asyncio
from datetime import timedelta

import pytest

from publisher.domain.delivery_event import EventKind
from publisher.mail.smtp.pool import SmtpPool
from publisher.mail.smtp.verdict import Verdict
from tests.integration.mail.smtp.pooling import sent_at_once, until, with_pool
from tests.integration.mail.smtp.sending import envelope
from tests.smtp_servers import Fault, HostileSmtp, Step

ACCEPTED, DEFERRED = EventKind.ACCEPTED, EventKind.DEFERRED
LOST = Fault(Step.END, close=True)


def test_messages_share_a_bounded_number_of_connections(server: HostileSmtp) -> None:
    """One beyond that waits for a connection to come free."""
    events = with_pool(server, lambda pool: sent_at_once(pool, 60), connections=3)

    assert events == [ACCEPTED] * 60
    assert server.connections <= 3
    assert sorted(str(m.delivery_id) for m in server.taken) == sorted(f"d/{number}" for number in range(60))
    assert server.commands.count("QUIT") == server.connections


def test_a_connection_is_closed_after_its_share_of_messages(server: HostileSmtp) -> None:
    """Before a server that counts ends it in the middle."""
    with_pool(server, lambda pool: sent_at_once(pool, 6), connections=1, messages=2)

    assert server.connections == 3
    assert [message.connection for message in server.taken] == [1, 1, 2, 2, 3, 3]


def test_a_connection_that_is_not_used_is_closed(server: HostileSmtp) -> None:
    """With a goodbye, while the mail service goes on."""

    async def work(pool: SmtpPool) -> int:
        await sent_at_once(pool, 2)
        await until(lambda: server.open_connections == 0)
        await sent_at_once(pool, 1)
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
        first = await sent_at_once(pool, 1)
        if fault.at is not Step.AFTER:
            server.once(fault)
        return first + await sent_at_once(pool, 1)

    assert with_pool(server, work) == [ACCEPTED, ACCEPTED]
    assert (server.connections, len(server.taken)) == (2, 2)


def test_a_lost_reply_is_unsure_and_never_sent_again_by_itself(server: HostileSmtp) -> None:
    """Also on a kept connection: whether it may be sent again is not the pool's to decide (R33)."""

    async def work(pool: SmtpPool) -> Verdict | None:
        await sent_at_once(pool, 1)
        server.once(LOST)
        return await pool.send(envelope("d/lost"))

    verdict = with_pool(server, work)

    assert verdict is not None
    assert verdict.is_unsure
    assert [message.delivery_id for message in server.taken] == ["d/0", "d/lost"]


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
