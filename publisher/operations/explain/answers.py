"""Words what was answered about a route's command, and what our own mail service does with it (R32, R33)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from publisher.domain.mail_outcome import MailState
from publisher.operations.explain.explanation import ago, ahead, times
from publisher.operations.remedy.remedy import Advice, Remedy, Sentence
from storage.answers.event_history import EventRecord
from storage.mail.progress import MailProgress
from storage.routes import RouteRecord

# An attempt takes seconds. While the SMTP server is away, the message stays in hand and no attempt is counted.
_LONG = timedelta(minutes=1)
__all__ = ["event_words", "explain_answer", "explain_mail"]


def event_words(event: EventRecord) -> str:
    """Words an event in one line: `mailer: bounced (permanent, recipient at fault, 550 5.1.1): no such user`."""
    at_fault = event.fault and f"{event.fault.value} at fault"
    codes = " ".join(filter(None, (event.code, event.enhanced_code)))
    about = ", ".join(filter(None, (event.permanence, at_fault, codes)))
    said = f"{event.source}: {event.event.value}" + (f" ({about})" if about else "")
    return f"{said}: {event.diagnostic}" if event.diagnostic else said


def explain_answer(route: RouteRecord) -> Iterator[str]:
    """Yields what is known of a published route's answer; nothing if nobody has answered."""
    if route.answer is not None:
        yield f"Answered {ago(route, route.answered_at)}: {route.answer}."
    if route.complained:
        yield "The recipient complained of it."


def explain_mail(route: RouteRecord, mail: MailProgress | None) -> Iterator[Sentence]:
    """Yields what the mail service does next with a route's command, or did last. mail: None if it did nothing."""
    if mail is None:
        return
    yield _standing(route, mail)
    if _is_long_in_hand(route, mail):
        text = "That is long: the SMTP server may be slow, away, or refuse the login, or PUBLISHER_MAIL_RATE be low"
        yield Advice(text, Remedy.CHECK_MAIL)
    if mail.unsure:
        yield (
            f"Whether it was accepted remained unknown {times(mail.unsure, 'time')}: the recipient may have it"
            f" {'more than once' if mail.state is MailState.SENT else 'already'}."
        )
    if mail.held_at is not None:
        yield Advice("If you know that it was accepted", Remedy.SETTLE_HELD, route.delivery_id)


def _standing(route: RouteRecord, mail: MailProgress) -> Sentence:
    if mail.held_at is not None:
        since = ago(route, mail.held_at)
        text = f"Held by the mail service since {since}: it may have been accepted. To have it sent again"
        return Advice(text, Remedy.SEND_HELD, route.delivery_id)
    if mail.lease_expires_at is not None:
        return f"{_since(route, mail)} {_begun(route, mail.lease_expires_at)}"
    if mail.next_attempt_at is not None:
        return f"{_since(route, mail)} It tries again {_when(route, mail.next_attempt_at)}."
    if mail.state is MailState.SENT:
        return (
            f"It counts as sent since {ago(route, mail.ended_at)}."
            " The mail service does not send again what counts as sent, whatever is published again."
        )
    after = f", after {times(mail.tries, 'failed attempt')}" if mail.tries else ""
    return f"The mail service gave it up {ago(route, mail.ended_at)}{after}. Published again, it is tried anew."


def _since(route: RouteRecord, mail: MailProgress) -> str:
    return f"In the hands of the mail service since {ago(route, mail.begun_at)}: {_attempts(mail)}."


def _is_long_in_hand(route: RouteRecord, mail: MailProgress) -> bool:
    """Whether the first attempt lasts too long. A later one follows a `deferred` that says what is wrong."""
    is_first = mail.state is MailState.BEGUN and mail.tries == 0
    return is_first and route.read_at - mail.begun_at >= _LONG


def _begun(route: RouteRecord, until: datetime) -> str:
    if until > route.read_at:
        return f"A mailer is at work on it. If that dies, another takes it up {ahead(route, until)}."
    return f"The mailer that was at work on it has not told its end since {ago(route, until)}: another takes it up."


def _when(route: RouteRecord, at: datetime) -> str:
    return ahead(route, at) if at > route.read_at else "at once"


def _attempts(mail: MailProgress) -> str:
    return f"{times(mail.tries, 'attempt')} failed so far" if mail.tries else "no attempt failed before"
