"""What an attempt ends as when the server fails: at every step, in every way, and never without an end (R33)."""

import pytest

from publisher.mail.smtp.outcome import Accepted, Broken, Outcome, Refused, Reply, Stage, Unsure
from tests.integration.mail.smtp.sending import IMPATIENT, envelope, sent
from tests.smtp_servers import PIPELINING, Fault, HostileSmtp, Step
from tests.waiting import wait_until

# A server that takes several commands at once, and one that does not.
pytestmark = pytest.mark.parametrize("server", [[PIPELINING], []], ids=["pipelining", "one by one"], indirect=True)
ACCEPTED = Accepted(Reply(250, "2.0.0 Ok: queued"))
CLOSED, SILENT = "the server closed the connection", "the server did not answer within 0.2 s"
NO_SMTP = "its reply is no SMTP"
BEFORE = [(Step.MAIL, Stage.MAIL), (Step.RCPT, Stage.RCPT), (Step.DATA, Stage.DATA)]
LONG = b"x" * 70 + b"\r\n"


def broken(outcome: Outcome, stage: Stage) -> bool:
    """Whether it broke there, because the connection was closed in one of the ways that systems tell of."""
    return isinstance(outcome, Broken) and outcome.stage is stage and outcome.reason.startswith((CLOSED, "the connect"))


@pytest.mark.parametrize(("step", "stage"), BEFORE)
def test_a_connection_that_closes_before_the_content_takes_nothing(
    server: HostileSmtp, step: Step, stage: Stage
) -> None:
    """The message can be sent again without a doubt."""
    server.once(Fault(step, close=True))

    outcomes = sent(server.url, [envelope(), envelope()])

    assert len(outcomes) == 1
    assert broken(outcomes[0], stage)
    assert server.taken == []


@pytest.mark.parametrize(("step", "stage"), BEFORE)
def test_a_server_that_stalls_before_the_content_is_left(server: HostileSmtp, step: Step, stage: Stage) -> None:
    """The timeout ends the wait, and the connection: a late reply would be taken for another's."""
    server.once(Fault(step, stall=True))

    assert sent(server.url, [envelope(), envelope()], timeout=IMPATIENT) == [Broken(stage, SILENT)]

    wait_until(lambda: server.open_connections == 0)


@pytest.mark.parametrize(("step", "stage"), BEFORE)
@pytest.mark.parametrize("nonsense", ["hello", "HTTP/1.1 400 Bad Request", "250 ok\r\n250 twice", "300 Maybe", "250-"])
def test_nonsense_before_the_content_takes_nothing(
    server: HostileSmtp, step: Step, stage: Stage, nonsense: str
) -> None:
    """Once the two sides are out of step, no reply can be believed: the connection ends."""
    server.once(Fault(step, reply=nonsense, close=True))

    outcomes = sent(server.url, [envelope(), envelope()])

    assert len(outcomes) == 1
    assert isinstance(outcomes[0], Broken)
    assert server.taken == []


@pytest.mark.parametrize(("step", "stage"), BEFORE[:2])
def test_content_that_is_asked_for_too_early_is_not_sent(server: HostileSmtp, step: Step, stage: Stage) -> None:
    """The server has missed a command, or skipped a reply."""
    server.once(Fault(step, reply="354 Go ahead"))

    outcomes = sent(server.url, [envelope(), envelope()])

    assert outcomes == [Broken(stage, "the server answered with the code 354")]
    assert server.taken == []


def test_a_reply_too_many_is_not_taken_for_that_to_the_content(server: HostileSmtp) -> None:
    """It would say that a message was accepted which the server has not seen."""
    server.once(Fault(Step.DATA, reply="354 Go ahead\r\n250 2.0.0 Ok: queued"))

    outcomes = sent(server.url, [envelope(), envelope()])

    assert outcomes == [Broken(Stage.DATA, "the server sent more replies than it was asked for")]
    assert server.taken == []


def test_a_refused_recipient_whose_content_is_asked_for_gets_none(server: HostileSmtp) -> None:
    """A dot alone ends what the server waits for, and what it says to that counts for nothing (RFC 2920)."""
    server.once(Fault(Step.RCPT, reply="550 5.1.1 Unknown"), Fault(Step.DATA, reply="354 Go ahead"))

    assert sent(server.url, [envelope("d/1"), envelope("d/2")]) == [
        Refused(Stage.RCPT, Reply(550, "5.1.1 Unknown")),
        ACCEPTED,
    ]

    assert [message.delivery_id for message in server.taken] == ["d/2"]


def test_a_server_that_takes_no_more_content_has_not_taken_the_message(server: HostileSmtp) -> None:
    """The end of a long message is held back until the rest is on its way."""
    server.once(Fault(Step.CONTENT, stall=True))

    outcomes = sent(server.url, [envelope(body=LONG * 400_000)], timeout=IMPATIENT)

    assert outcomes == [Broken(Stage.CONTENT, "the server took no more content within 0.2 s")]
    assert server.taken == []


def test_a_connection_that_closes_within_the_content_has_not_taken_the_message(server: HostileSmtp) -> None:
    """The same, of a server that went away."""
    server.once(Fault(Step.CONTENT, close=True))

    (outcome,) = sent(server.url, [envelope(body=LONG * 400_000)])

    assert broken(outcome, Stage.CONTENT)
    assert server.taken == []


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("250 2.0.0 Ok: queued", Broken(Stage.CONTENT, "the server answered 250 before it had the whole message")),
        ("552 5.3.4 Too long", Refused(Stage.CONTENT, Reply(552, "5.3.4 Too long"))),
    ],
)
def test_of_what_comes_before_the_end_of_the_content_a_refusal_alone_is_believed(
    server: HostileSmtp, reply: str, outcome: Outcome, close: bool
) -> None:
    """No server can have taken a message whose end was not sent to it."""
    server.once(Fault(Step.CONTENT, reply=reply, close=close))

    assert sent(server.url, [envelope(body=LONG * 400_000), envelope()]) == [outcome]

    assert server.taken == []


@pytest.mark.parametrize("keeps", [True, False])
def test_a_connection_that_closes_after_the_content_leaves_it_unsure(server: HostileSmtp, keeps: bool) -> None:
    """Taken or not: nobody can tell from here."""
    server.once(Fault(Step.END, close=True, keeps=keeps))

    outcomes = sent(server.url, [envelope(), envelope()])

    assert len(outcomes) == 1
    assert isinstance(outcomes[0], Unsure)
    assert [message.replied for message in server.taken] == ([False] if keeps else [])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(Step.END, stall=True), SILENT),
        (Fault(Step.END, reply="what?"), NO_SMTP),
        (Fault(Step.END, reply="354 More"), "the server answered with the code 354"),
        (Fault(Step.END, reply="250-half", stall=True), SILENT),
        (Fault(Step.END, reply="250-" + "x" * 70_000, stall=True), "its reply is longer than 65,536 bytes"),
    ],
)
def test_no_reply_to_the_content_that_can_be_believed_leaves_it_unsure(
    server: HostileSmtp, fault: Fault, reason: str
) -> None:
    """And the connection ends."""
    server.once(fault)

    assert sent(server.url, [envelope(), envelope()], timeout=IMPATIENT) == [Unsure(reason)]


def test_a_slow_server_is_waited_for(server: HostileSmtp) -> None:
    """Within the timeout a late reply is a reply."""
    server.always(*(Fault(step, slow=0.02) for step in (Step.MAIL, Step.RCPT, Step.DATA, Step.END)))

    assert sent(server.url, [envelope(), envelope()]) == [ACCEPTED] * 2
