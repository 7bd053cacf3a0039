"""Nobody waits for a server that is away, and one that takes few connections gets all messages over those (R33)."""

import asyncio

import pytest
from structlog.testing import capture_logs

from publisher.domain.delivery_event import EventKind
from publisher.mail.smtp.pool import SmtpPool
from tests.integration.mail.smtp.pooling import sent_at_once, until, until_sent, with_pool
from tests.smtp_servers import Fault, HostileSmtp, Step

ACCEPTED, DEFERRED = EventKind.ACCEPTED, EventKind.DEFERRED


@pytest.mark.parametrize("messages", [500, 5])
def test_a_server_that_takes_few_connections_gets_all_messages_over_those(server: HostileSmtp, messages: int) -> None:
    """In turn, and none is told that the server is away: it only takes fewer than the settings would open."""
    server.most_open = 3
    server.always(Fault(Step.END, slow=0.002))

    events = with_pool(server, lambda pool: sent_at_once(pool, 120), connections=16, messages=messages)

    assert events == [ACCEPTED] * 120
    assert 1 <= server.turned_away <= 120 / messages + 1


def test_a_server_that_takes_fewer_and_fewer_connections_is_told_of_once(server: HostileSmtp) -> None:
    """The messages that wait for one learn that it is away once none is left."""
    server.most_open = 3
    server.once(*(Fault(Step.END, slow=seconds) for seconds in (0.2, 0.25, 0.3)))

    async def work(pool: SmtpPool) -> list[EventKind | None]:
        sending = asyncio.create_task(sent_at_once(pool, 6))
        await until(lambda: server.turned_away > 0)
        server.most_open = 0
        return await sending

    with capture_logs() as logs:
        events = with_pool(server, work, connections=6, messages=1)

    assert (events.count(ACCEPTED), events.count(None)) == (3, 3)
    assert [line["event"] for line in logs] == ["the SMTP server takes no more connections", "no mail can be sent"]


def test_a_first_message_that_breaks_is_not_sent_again_at_once(server: HostileSmtp) -> None:
    """It may be the message: it is deferred, and the connection counts as a sign that the server is away."""
    server.once(Fault(Step.MAIL, close=True))

    async def work(pool: SmtpPool) -> tuple[EventKind | None, ...]:
        (first,) = await sent_at_once(pool, 1)
        (second,) = await sent_at_once(pool, 1)
        assert "the connection ended with its first message" in str(pool.trouble)
        return first, second, (await until_sent(pool)).event

    assert with_pool(server, work) == (DEFERRED, None, ACCEPTED)


def test_a_refusal_costs_no_connection(server: HostileSmtp) -> None:
    """The server is there, whatever it says."""
    server.always(Fault(Step.RCPT, reply="550 5.1.1 Unknown"))

    assert with_pool(server, lambda pool: sent_at_once(pool, 5), connections=1) == [EventKind.BOUNCED] * 5
    assert server.connections == 1


def test_while_the_server_is_away_nobody_waits_for_it(server: HostileSmtp) -> None:
    """One message finds out, and the others are told at once; when it is back, mail goes out again."""
    server.always(Fault(Step.BANNER, close=True))

    async def work(pool: SmtpPool) -> list[EventKind | None]:
        away = await sent_at_once(pool, 200)
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
        await sent_at_once(pool, 1)
        server.calm()
        server.always(Fault(Step.BANNER, stall=True))
        probe = asyncio.create_task(until_sent(pool))
        await until(lambda: server.connections == 2)
        told = await sent_at_once(pool, 20)
        probe.cancel()
        await asyncio.wait([probe])
        return told

    assert with_pool(server, work) == [None] * 20
