"""When a connection ends, and when it goes on for the next message (R33)."""

import asyncio

import pytest

from publisher.mail.smtp.connection import Connection
from publisher.mail.smtp.outcome import Accepted, Broken, Outcome, Refused, Reply, Stage
from tests.integration.mail.smtp.sending import PATIENT, envelope, on_a_connection, sent
from tests.smtp_servers import PIPELINING, Fault, HostileSmtp, Step

# A server that takes several commands at once, and one that does not.
pytestmark = pytest.mark.parametrize("server", [[PIPELINING], []], ids=["pipelining", "one by one"], indirect=True)
ACCEPTED = Accepted(Reply(250, "2.0.0 Ok: queued"))
STEPS = [(Step.MAIL, Stage.MAIL), (Step.RCPT, Stage.RCPT), (Step.DATA, Stage.DATA), (Step.END, Stage.CONTENT)]


@pytest.mark.parametrize(("step", "stage"), STEPS)
@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("451 4.3.0 Try again later", Reply(451, "4.3.0 Try again later")),
        ("550 No", Reply(550, "No")),
        ("554-5.7.1 First\r\n554 5.7.1 second", Reply(554, "5.7.1 First 5.7.1 second")),
    ],
)
def test_a_refusal_is_an_outcome_and_the_connection_goes_on(
    server: HostileSmtp, step: Step, stage: Stage, said: str, reply: Reply
) -> None:
    """The next message is sent over the same connection."""
    server.once(Fault(step, reply=said))

    assert sent(server.url, [envelope("d/1"), envelope("d/2")]) == [Refused(stage, reply), ACCEPTED]

    assert [message.delivery_id for message in server.taken] == ["d/2"]
    assert server.connections == 1


@pytest.mark.parametrize(("step", "stage"), STEPS)
@pytest.mark.parametrize("close", [True, False])
def test_421_ends_the_connection(server: HostileSmtp, step: Step, stage: Stage, close: bool) -> None:
    """The server says that it stops, whether it then closes or not. The message was not taken."""
    server.once(Fault(step, reply="421 4.3.2 Shutting down", close=close))

    outcomes = sent(server.url, [envelope(), envelope()])

    assert outcomes == [Refused(stage, Reply(421, "4.3.2 Shutting down"))]
    assert server.taken == []


@pytest.mark.parametrize("fault", [Fault(Step.AFTER, close=True), Fault(Step.AFTER, reply="421 4.3.2 Idle")])
def test_a_kept_connection_that_the_server_ends_is_seen_as_ended(server: HostileSmtp, fault: Fault) -> None:
    """Before a message is sent over it."""
    server.once(fault)

    async def work(connection: Connection) -> Outcome:
        outcome = await connection.send(envelope())
        async with asyncio.timeout(PATIENT.total_seconds()):
            while connection.is_usable:
                await asyncio.sleep(0)
        return outcome

    assert on_a_connection(server.url, work) == ACCEPTED


@pytest.mark.parametrize("fault", [Fault(Step.QUIT, close=True), Fault(Step.QUIT, reply="500 What?")])
def test_a_server_that_takes_no_goodbye_is_left_as_well(server: HostileSmtp, fault: Fault) -> None:
    """Closing raises nothing."""
    server.once(fault)

    assert sent(server.url, [envelope()]) == [ACCEPTED]


def test_a_refused_rset_ends_the_connection(server: HostileSmtp) -> None:
    """What a refused message left behind would be taken for the next one's."""
    server.once(Fault(Step.RCPT, reply="550 No"), Fault(Step.RSET, reply="500 What?"))

    first, second = sent(server.url, [envelope(), envelope(), envelope()])

    assert first == Refused(Stage.RCPT, Reply(550, "No"))
    assert second == Broken(Stage.MAIL, "the server takes no RSET")


def test_a_cancelled_message_drops_the_connection(server: HostileSmtp) -> None:
    """Its replies would be taken for those of the next message."""
    server.once(Fault(Step.END, stall=True))

    async def work(connection: Connection) -> bool:
        task = asyncio.create_task(connection.send(envelope()))
        async with asyncio.timeout(PATIENT.total_seconds()):
            while "DATA" not in server.commands:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled() and not connection.is_usable

    assert on_a_connection(server.url, work)
