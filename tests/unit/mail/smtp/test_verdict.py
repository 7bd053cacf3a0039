"""What an attempt over SMTP amounts to: the event, whose fault, and whether it lasts (RFC 3463, RFC 5321)."""

import pytest

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.mail.smtp.outcome import Accepted, Broken, Refused, Reply, Stage, Unsendable, Unsure
from publisher.mail.smtp.verdict import Verdict, decide

BOUNCED, REJECTED, DEFERRED = EventKind.BOUNCED, EventKind.REJECTED, EventKind.DEFERRED
PERMANENT, TRANSIENT, UNDETERMINED = Permanence.PERMANENT, Permanence.TRANSIENT, Permanence.UNDETERMINED
RECIPIENT, INFRASTRUCTURE, CONTENT, UNKNOWN = Fault.RECIPIENT, Fault.INFRASTRUCTURE, Fault.CONTENT, Fault.UNKNOWN


@pytest.mark.parametrize(
    ("stage", "code", "text", "event", "permanence", "fault", "enhanced"),
    [
        # With an enhanced code: RFC 3463 says whose fault it is.
        (Stage.RCPT, 550, "5.1.1 User unknown", BOUNCED, PERMANENT, RECIPIENT, "5.1.1"),
        (Stage.RCPT, 552, "5.2.2 Over quota", BOUNCED, UNDETERMINED, RECIPIENT, "5.2.2"),
        (Stage.RCPT, 550, "5.2.1 Disabled", BOUNCED, PERMANENT, RECIPIENT, "5.2.1"),
        (Stage.RCPT, 550, "5.4.1 No relay", BOUNCED, PERMANENT, INFRASTRUCTURE, "5.4.1"),
        (Stage.RCPT, 550, "5.7.1 Blocked", BOUNCED, PERMANENT, INFRASTRUCTURE, "5.7.1"),
        (Stage.CONTENT, 554, "5.7.1 Spam", BOUNCED, PERMANENT, INFRASTRUCTURE, "5.7.1"),
        (Stage.CONTENT, 554, "5.6.0 Bad header", BOUNCED, PERMANENT, CONTENT, "5.6.0"),
        (Stage.CONTENT, 552, "5.3.4 Too big", BOUNCED, PERMANENT, CONTENT, "5.3.4"),
        (Stage.RCPT, 450, "4.2.1 Greylisted", DEFERRED, TRANSIENT, RECIPIENT, "4.2.1"),
        (Stage.CONTENT, 451, "4.3.0 Later", DEFERRED, TRANSIENT, INFRASTRUCTURE, "4.3.0"),
        # The class says nothing more than the code does.
        (Stage.RCPT, 550, "5.0.0 No", BOUNCED, PERMANENT, RECIPIENT, "5.0.0"),
        # Two codes that contradict each other: the reply's decides.
        (Stage.RCPT, 550, "4.1.1 Unknown", BOUNCED, UNDETERMINED, RECIPIENT, "4.1.1"),
        (Stage.RCPT, 450, "5.1.1 Unknown", DEFERRED, TRANSIENT, RECIPIENT, "5.1.1"),
        # Without one: RFC 5321, 4.2.3.
        (Stage.RCPT, 550, "No such user", BOUNCED, PERMANENT, RECIPIENT, None),
        (Stage.RCPT, 551, "User not local", BOUNCED, PERMANENT, RECIPIENT, None),
        (Stage.RCPT, 552, "Mailbox full", BOUNCED, UNDETERMINED, RECIPIENT, None),
        (Stage.RCPT, 553, "Bad name", BOUNCED, PERMANENT, RECIPIENT, None),
        (Stage.RCPT, 556, "No mail here", BOUNCED, PERMANENT, RECIPIENT, None),
        (Stage.RCPT, 554, "No", BOUNCED, PERMANENT, UNKNOWN, None),
        (Stage.RCPT, 501, "Syntax", BOUNCED, PERMANENT, INFRASTRUCTURE, None),
        (Stage.DATA, 554, "No valid recipients", BOUNCED, PERMANENT, UNKNOWN, None),
        (Stage.CONTENT, 552, "Too much mail data", BOUNCED, PERMANENT, CONTENT, None),
        (Stage.CONTENT, 554, "Transaction failed", BOUNCED, PERMANENT, UNKNOWN, None),
        # Before the recipient was named: whoever it is.
        (Stage.MAIL, 550, "Not from you", REJECTED, PERMANENT, INFRASTRUCTURE, None),
        (Stage.MAIL, 550, "5.1.8 Bad sender's system address", REJECTED, PERMANENT, INFRASTRUCTURE, "5.1.8"),
        (Stage.MAIL, 553, "5.1.3 Bad sender address syntax", REJECTED, PERMANENT, INFRASTRUCTURE, "5.1.3"),
        (Stage.MAIL, 552, "5.3.4 Too big", REJECTED, PERMANENT, CONTENT, "5.3.4"),
        (Stage.MAIL, 552, "Too big", REJECTED, PERMANENT, CONTENT, None),
        (Stage.MAIL, 421, "4.7.0 Too many messages", DEFERRED, TRANSIENT, INFRASTRUCTURE, "4.7.0"),
        # RFC 4954: a missing login is mended, and no message bounces of it.
        (Stage.MAIL, 530, "5.7.0 Authentication required", DEFERRED, TRANSIENT, INFRASTRUCTURE, "5.7.0"),
        (Stage.RCPT, 530, "Must issue STARTTLS first", DEFERRED, TRANSIENT, INFRASTRUCTURE, None),
        # Where an enhanced code stands, and what only looks like one.
        (Stage.RCPT, 550, "#5.1.0 Address rejected", BOUNCED, PERMANENT, RECIPIENT, "5.1.0"),
        (Stage.CONTENT, 554, "Rejected by filter 5.1.4", BOUNCED, PERMANENT, UNKNOWN, None),
        (Stage.CONTENT, 554, "5.6.7.8 is listed", BOUNCED, PERMANENT, UNKNOWN, None),
    ],
)
def test_a_refusal_is_an_event_by_its_codes(
    stage: Stage,
    code: int,
    text: str,
    event: EventKind,
    permanence: Permanence,
    fault: Fault,
    enhanced: str | None,
) -> None:
    """The code says whether it lasts, the enhanced code or the stage whose fault it is."""
    found = decide(Refused(stage, Reply(code, text)))

    assert (found.event, found.permanence, found.fault) == (event, permanence, fault)
    assert (found.code, found.enhanced_code) == (str(code), enhanced)
    assert found.diagnostic == f"{code} {text}"
    assert not found.is_unsure


def test_an_accepted_message_is_accepted_and_nobody_is_at_fault() -> None:
    """The server's text stays: it names the message in the server's queue."""
    assert decide(Accepted(Reply(250, "2.0.0 Ok: queued as 4XyZ"))) == Verdict(
        EventKind.ACCEPTED, code="250", enhanced_code="2.0.0", diagnostic="250 2.0.0 Ok: queued as 4XyZ"
    )


def test_a_broken_connection_defers_the_message() -> None:
    """Nothing was accepted: it is tried again (R33)."""
    assert decide(Broken(Stage.RCPT, "the server closed the connection")) == Verdict(
        DEFERRED,
        TRANSIENT,
        INFRASTRUCTURE,
        diagnostic="the server closed the connection (at RCPT, before the message was sent)",
    )


def test_a_lost_reply_is_unsure() -> None:
    """The message may have been accepted (R33)."""
    found = decide(Unsure("the connection broke: reset"))

    assert (found.event, found.is_unsure) == (DEFERRED, True)
    assert found.diagnostic == "the connection broke: reset (after the whole message was sent)"


@pytest.mark.parametrize(
    ("enhanced", "fault"), [("5.6.7", CONTENT), ("5.3.4", CONTENT), ("5.6.1", CONTENT), ("5.1.3", RECIPIENT)]
)
def test_what_the_server_can_never_take_is_rejected(enhanced: str, fault: Fault) -> None:
    """It would refuse the same message for ever."""
    assert decide(Unsendable(enhanced, "why")) == Verdict(REJECTED, PERMANENT, fault, None, enhanced, "why")


def test_a_return_path_that_is_none_defers_the_message() -> None:
    """The recipient has no part in it, and once the settings are mended the message goes (R33)."""
    assert decide(Unsendable("4.1.7", "why")) == Verdict(DEFERRED, TRANSIENT, INFRASTRUCTURE, None, "4.1.7", "why")


def test_a_diagnostic_is_one_line_that_shows_no_address() -> None:
    """Servers repeat the address that they refuse (R36), and write what they like."""
    text = "5.1.1 <ann.lee@example.com>:\r\n\tuser\x00 unknown\u2028 " + "x" * 2000

    found = decide(Refused(Stage.RCPT, Reply(550, text))).diagnostic

    assert found is not None
    assert found.startswith("550 5.1.1 <a***@example.com>: user unknown xxx")
    assert (len(found), found[-1], found.isprintable()) == (1000, "…", True)
