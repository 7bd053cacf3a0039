"""Delivery status notifications: what each action and status becomes, and how it names its delivery."""

import base64
from datetime import UTC, datetime

import pytest

from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.mail.reports.mail import read_report
from publisher.mail.reports.report import NotAReport, Report
from tests.mail_reports import DELIVERY, MESSAGE_ID, dsn, recipient


def only(message: bytes) -> Report:
    """The one report in the message."""
    reading = read_report(message)
    assert not isinstance(reading, NotAReport), reading
    [report] = reading
    return report


def test_a_bounce_says_what_why_and_when() -> None:
    """A failed recipient is a bounce with the server's own words, at the report's date."""
    report = only(dsn(recipient()))

    assert (report.event, report.permanence, report.fault) == (EventKind.BOUNCED, Permanence.PERMANENT, Fault.RECIPIENT)
    assert (report.code, report.enhanced_code) == ("550", "5.1.1")
    assert report.diagnostic == "550 5.1.1 <ann@example.net>: Recipient address rejected: User unknown"
    assert report.occurred_at == datetime(2026, 3, 13, 9, 26, 53, tzinfo=UTC)
    assert report.detail["reporting-mta"] == "dns; mx.example.net"


@pytest.mark.parametrize(
    ("action", "status", "event", "permanence"),
    [
        ("failed", "4.4.7", EventKind.BOUNCED, Permanence.TRANSIENT),
        ("failed", "nonsense", EventKind.BOUNCED, Permanence.UNDETERMINED),
        ("delayed", "4.4.1", EventKind.DEFERRED, Permanence.TRANSIENT),
        ("delivered", "2.0.0", EventKind.DELIVERED, None),
        ("relayed", "2.0.0", EventKind.ACCEPTED, None),
        ("expanded", "2.0.0", EventKind.ACCEPTED, None),
        ("Failed (after 5 days)", "5.4.1", EventKind.BOUNCED, Permanence.PERMANENT),
    ],
)
def test_each_action_becomes_one_event(
    action: str, status: str, event: EventKind, permanence: Permanence | None
) -> None:
    """RFC 3464: the action says what happened, the class of the status whether it lasts."""
    report = only(dsn(recipient(action, status, diagnostic="x")))

    assert (report.event, report.permanence) == (event, permanence)


def test_the_servers_own_status_says_more_than_a_bare_class() -> None:
    """Where the status is 5.0.0, that of the diagnostic counts."""
    assert only(dsn(recipient(status="5.0.0", diagnostic="550-5.2.1 disabled"))).enhanced_code == "5.2.1"
    assert only(dsn(recipient(status="5.0.0", diagnostic="550 no"))).fault is Fault.UNKNOWN


def test_the_returned_message_and_the_envelope_name_the_delivery() -> None:
    """By its X-Delivery-Id and Message-ID, and by the address to which the report came (VERP)."""
    names = only(dsn(recipient(), to="<bounce+abc=def@mail.example.com>")).names

    assert names.delivery_ids == (DELIVERY,)
    assert names.message_ids == (MESSAGE_ID,)
    assert names.envelope == ("bounce+abc=def@mail.example.com",)


def test_folded_headers_of_the_returned_message_are_read_whole() -> None:
    """A server may fold what it returns, and write its names in any case."""
    names = only(dsn(recipient(), original=f"message-id:\n {MESSAGE_ID}\nX-DELIVERY-ID:\n\t{DELIVERY}\n")).names

    assert (names.delivery_ids, names.message_ids) == ((DELIVERY,), (MESSAGE_ID,))


def test_each_recipient_has_a_report_of_its_own() -> None:
    """An alias may stand for several addresses."""
    reading = read_report(dsn(recipient(), recipient("delayed", "4.2.2", address="bob@example.net")))

    assert not isinstance(reading, NotAReport)
    assert [(r.event, r.recipient) for r in reading] == [
        (EventKind.BOUNCED, "ann@example.net"),
        (EventKind.DEFERRED, "bob@example.net"),
    ]


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_an_internationalized_report_is_read(encoding: str) -> None:
    """RFC 6533: UTF-8 in the report, under a content type of its own, in any transfer encoding."""
    message = dsn(recipient(address="dürer@müller.example"), status_type="message/global-delivery-status").decode()
    if encoding == "base64":
        status = message[message.index("Reporting-MTA") : message.index("\n\n--=_b\nContent-Type: message/rfc822")]
        message = message.replace(status, base64.encodebytes(status.encode()).decode())
        message = message.replace(
            "global-delivery-status\n", "global-delivery-status\nContent-Transfer-Encoding: base64\n"
        )

    report = only(message.encode())

    assert (report.event, report.recipient) == (EventKind.BOUNCED, "dürer@müller.example")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "neither"),
        (b"Subject: Out of office\n\nI am away until Monday.", "neither"),
        (dsn("Final-Recipient: rfc822; ann@example.net\nAction: eaten"), "no action that is known"),
        (dsn(), "no action that is known"),
    ],
)
def test_a_message_that_is_no_report_is_a_value(message: bytes, reason: str) -> None:
    """An automatic answer says nothing about a delivery, and the reading says why it is none."""
    reading = read_report(message)

    assert isinstance(reading, NotAReport)
    assert reason in reading.reason
