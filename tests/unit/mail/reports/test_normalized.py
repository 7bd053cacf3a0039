"""Delivery events made of reports: one for a delivery, the same for the same report, and without an address."""

import json
from datetime import UTC, datetime, timedelta

from publisher.domain.delivery_event import EventKind
from publisher.mail.reports.mail import read_report
from publisher.mail.reports.normalized import about, to_event
from publisher.mail.reports.report import DeliveryNames, NotAReport, Report
from tests.mail_reports import DELIVERY, dsn, recipient

NOW = datetime(2026, 3, 14, tzinfo=UTC)


def reports(message: bytes) -> list[Report]:
    """The reports in a message."""
    reading = read_report(message)
    assert not isinstance(reading, NotAReport)
    return reading


def test_a_delivery_has_one_event_of_each_kind_by_mail() -> None:
    """However many reports somebody sends; the id of another delivery's event is another (R32)."""
    [report] = reports(dsn(recipient()))
    [again] = reports(dsn(recipient(status="5.2.1")).replace(b"AB12", b"CD34"))
    [delayed] = reports(dsn(recipient("delayed")))

    ids = [to_event(each, DELIVERY, NOW).event_id for each in (report, again, delayed)]

    assert ids[0] == ids[1] != ids[2]
    assert to_event(report, f"{DELIVERY}0", NOW).event_id != ids[0]


def test_no_address_is_left_in_an_event() -> None:
    """Neither in the words of the server nor in the detail (R36)."""
    text = "550 5.1.1 <ann@example.net> and bob@example.net\x1b[31m " + "x" * 5_000
    [report] = reports(dsn(recipient(diagnostic=text)))

    event = to_event(report, DELIVERY, NOW)

    assert event.diagnostic is not None
    assert event.diagnostic.startswith("550 5.1.1 <a***@example.net> and b***@example.net [31m x")
    assert len(event.diagnostic) == 1_000
    assert "ann@" not in repr(event)


def test_detail_is_small() -> None:
    """A report may say as much as it likes: 16 KiB are never reached."""
    report = Report("ses", "1", EventKind.BOUNCED, DeliveryNames(), detail={str(n): "ü" * 9_999 for n in range(6)})

    detail = to_event(report, DELIVERY, NOW).detail_json

    assert detail is not None
    assert len(detail.encode()) < 16 * 1024
    assert len(json.loads(detail)) == 6


def test_an_instant_in_the_future_is_now() -> None:
    """The later of two answers of one rank counts, and nobody is to be later than all by saying so (R32)."""
    for said in (None, NOW + timedelta(days=400)):
        report = Report("dsn", "1", EventKind.BOUNCED, DeliveryNames(), occurred_at=said)
        assert to_event(report, DELIVERY, NOW).occurred_at == NOW


def test_of_several_recipients_the_delivery_s_own_counts() -> None:
    """Of an alias with two members, or of a copy, the recipient of the delivery; else the gravest."""
    found = reports(dsn(recipient("delayed", address="Ann@Example.net"), recipient(address="bob@example.net")))

    assert about(found, "ann@example.net").event is EventKind.DEFERRED
    assert about(found, "team@example.net").event is EventKind.BOUNCED
