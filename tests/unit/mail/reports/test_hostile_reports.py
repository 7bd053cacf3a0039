"""Anybody can write to the mailbox of bounces: whatever stands there, reading it raises nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.mail.reports.mail import read_report
from publisher.mail.reports.postmark import read_postmark
from publisher.mail.reports.report import NotAReport
from publisher.mail.reports.ses import read_ses
from tests.mail_reports import arf, dsn, postmark_bounce, recipient, ses_bounce

GOOD = [dsn(recipient()), dsn(recipient(), status_type="message/global-delivery-status"), arf()]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A report with pieces cut out, put in and replaced."""
    message = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 5))):
        at, end = sorted((draw(st.integers(0, len(message))), draw(st.integers(0, len(message)))))
        piece = draw(
            st.binary(max_size=20) | st.sampled_from([b"\n\n", b"\r\n", b"--=_b\n", b"=?x?q?=FF?=", b'"', b";*0*="])
        )
        message = message[:at] + piece + message[min(end, at + 40) :]
    return message


@given(st.binary(max_size=400) | damaged())
@settings(max_examples=150, deadline=None)
def test_no_message_raises(message: bytes) -> None:
    """Broken MIME, wrong character sets, missing parts: reports or a reason."""
    assert read_report(message)


@given(st.sampled_from(["mail", "bounce", "eventType", "headers", "tags"]), JSON)
@settings(max_examples=40, deadline=None)
def test_no_notification_of_ses_raises(name: str, value: object) -> None:
    """Each field may be of any type."""
    event = ses_bounce()
    changed = {**event, name: value, "mail": {**event["mail"], name: value}, "bounce": {**event["bounce"], name: value}}

    assert read_ses(json.dumps(changed if name != "bounce" else {**changed, "bounce": value}))


@given(st.sampled_from(["RecordType", "Type", "TypeCode", "ID", "Metadata", "BouncedAt", "Email"]), JSON)
@settings(max_examples=40, deadline=None)
def test_no_webhook_of_postmark_raises(name: str, value: object) -> None:
    """Each field may be of any type."""
    assert read_postmark(json.dumps(postmark_bounce() | {name: value}))


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5_000, '{"a":' * 50_000, "\0", b"\xff\xfe", "null"])
def test_no_text_raises(text: str | bytes) -> None:
    """Deep nesting, endless numbers and other bytes are no notification."""
    assert isinstance(read_ses(text), NotAReport)
    assert isinstance(read_postmark(text), NotAReport)


def test_deep_nesting_is_no_report() -> None:
    """Neither multiparts within multiparts nor messages within messages end the reading."""
    parts = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(3_000))
    messages = b"Content-Type: message/rfc822\n\n" * 20_000

    assert isinstance(read_report(parts), NotAReport)
    assert isinstance(read_report(messages), NotAReport)


@pytest.mark.parametrize(("levels", "is_found"), [(5, True), (15, False)])
def test_a_report_is_looked_for_a_few_levels_deep(levels: int, is_found: bool) -> None:
    """The work grows with each level, for every line below it."""
    outer = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(levels))

    assert isinstance(read_report(outer + dsn(recipient())), NotAReport) is not is_found


@pytest.mark.timeout(10)
def test_a_field_that_never_ends_is_read_at_once() -> None:
    """The standard library's parser takes half a minute for such a one."""
    assert isinstance(read_report(b'Content-Type: multipart/report; a="' + b";" * 250_000 + b"\n\nx"), NotAReport)


def test_a_report_in_a_returned_message_is_not_taken_for_one() -> None:
    """Whoever writes to us may attach a report about somebody else's delivery."""
    inner = dsn(recipient())
    outer = (
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="out"\n\n--out\nContent-Type: message/rfc822\n\n'
    )

    assert isinstance(read_report(outer + inner + b"\n--out--\n"), NotAReport)


def test_a_huge_message_is_read_up_to_a_bound() -> None:
    """The report stands before the message that it returns."""
    assert not isinstance(read_report(dsn(recipient()) + b"x" * 5_000_000), NotAReport)
