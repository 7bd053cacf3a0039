"""What becomes of a delivery after an attempt to send it (R33)."""

from datetime import timedelta

import pytest

from publisher.domain.backoff import Backoff
from publisher.domain.delivery_event import EventKind, Fault, Permanence
from publisher.domain.mail_outcome import MailState
from publisher.mail.delivery import Delivery, fields_as_json, fields_of_json
from publisher.mail.messages.command import MailCommand
from publisher.mail.messages.faults import AddressFault, TemplateFault
from publisher.mail.outcomes import Patience, answered_again, decided, put_back, suppressed, unsendable
from publisher.mail.smtp.verdict import Verdict
from storage.mail.deliveries import BegunMail
from tests.factories import INSTANT

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FIELDS = ((b"delivery_id", b"d"), (b"payload_json", '{"name": "Zoë \U0001f3b2"}'.encode()))
PATIENCE = Patience(Backoff(MINUTE, MINUTE * 10), give_up_after=DAY, holds_unsure=False)
HOLDING = Patience(PATIENCE.backoff, DAY, holds_unsure=True)
DEFERRED = Verdict(EventKind.DEFERRED, Permanence.TRANSIENT, Fault.INFRASTRUCTURE, "451", "4.3.0", "451 4.3.0 Later")
LOST = Verdict(EventKind.DEFERRED, Permanence.TRANSIENT, Fault.INFRASTRUCTURE, diagnostic="no reply", is_unsure=True)


def delivery(*, tries: int = 0, age: timedelta = MINUTE, command: str | None = None) -> Delivery:
    """A delivery that was begun; with a command, its entry is acknowledged."""
    begun = BegunMail("d", "1-0", tries, is_unsure=False, age=age, command=command)
    asked = MailCommand("d", "ann@example.com", "turn", "en", {}, (), INSTANT)
    return Delivery(begun, None if command else "1-0", FIELDS, asked)


def test_an_accepted_message_is_sent() -> None:
    """Its answer is `accepted`."""
    outcome = decided(delivery(), Verdict(EventKind.ACCEPTED, code="250"), PATIENCE, INSTANT, 0.5)

    assert (outcome.state, outcome.wait, outcome.command) == (MailState.SENT, None, None)
    assert outcome.event is not None
    assert (outcome.event.event, outcome.event.occurred_at, outcome.event.source) == ("accepted", INSTANT, "mailer")


@pytest.mark.parametrize(("tries", "minutes"), [(0, 1), (1, 2), (3, 8), (4, 10), (60, 10)])
def test_a_temporary_refusal_waits_longer_after_each_attempt(tries: int, minutes: int) -> None:
    """The command is kept meanwhile, so that its entry can be acknowledged."""
    outcome = decided(delivery(tries=tries), DEFERRED, PATIENCE, INSTANT, 0.5)

    assert (outcome.state, outcome.wait) == (MailState.WAITING, MINUTE * minutes)
    assert outcome.command == fields_as_json(FIELDS)


def test_a_command_that_is_kept_is_not_written_again() -> None:
    """The row has it."""
    outcome = decided(delivery(command="{}"), DEFERRED, PATIENCE, INSTANT, 0.5)

    assert (outcome.state, outcome.command) == (MailState.WAITING, None)


def test_a_message_is_not_tried_beyond_the_limit() -> None:
    """It is given up where the next attempt would come too late, and the last refusal is told."""
    outcome = decided(delivery(age=DAY - MINUTE / 2), DEFERRED, PATIENCE, INSTANT, 0.5)

    assert outcome.state is MailState.GIVEN_UP
    assert outcome.event is not None
    assert (outcome.event.event, outcome.event.fault, outcome.event.enhanced_code) == (
        "failed",
        "infrastructure",
        "4.4.7",
    )
    assert "451 4.3.0 Later" in (outcome.event.diagnostic or "")


def test_a_lost_reply_is_counted_and_tried_again() -> None:
    """The message may have been accepted; the next one has the same Message-ID (R33)."""
    outcome = decided(delivery(), LOST, PATIENCE, INSTANT, 0.5)

    assert (outcome.state, outcome.is_unsure) == (MailState.WAITING, True)


def test_a_lost_reply_is_held_where_an_operator_decides() -> None:
    """PUBLISHER_MAIL_UNSURE=hold: nothing is sent twice; what is refused for now is tried again all the same (R33)."""
    held = decided(delivery(), LOST, HOLDING, INSTANT, 0.5)
    later = decided(delivery(), DEFERRED, HOLDING, INSTANT, 0.5)

    assert (held.state, held.is_unsure, held.command) == (MailState.HELD, True, fields_as_json(FIELDS))
    assert (later.state, later.is_unsure) == (MailState.WAITING, False)


def test_a_lost_reply_of_the_last_attempt_stays_counted() -> None:
    """It is given up, and may have been accepted."""
    outcome = decided(delivery(age=DAY), LOST, PATIENCE, INSTANT, 0.5)

    assert (outcome.state, outcome.is_unsure) == (MailState.GIVEN_UP, True)


def test_a_permanent_refusal_ends_it_and_names_the_address() -> None:
    """So that the address can be suppressed; no text of the outcome shows it (R36)."""
    refused = Verdict(EventKind.BOUNCED, Permanence.PERMANENT, Fault.RECIPIENT, "550", "5.1.1", "550 5.1.1 Unknown")

    outcome = decided(delivery(), refused, PATIENCE, INSTANT, 0.5)

    assert (outcome.state, outcome.address) == (MailState.GIVEN_UP, "ann@example.com")
    assert "ann@example.com" not in repr(outcome)


@pytest.mark.parametrize(
    ("fault", "whose"), [(TemplateFault("no such template"), "content"), (AddressFault("no address"), "recipient")]
)
def test_a_command_that_makes_no_message_fails(fault: TemplateFault | AddressFault, whose: str) -> None:
    """The same command would fail again."""
    outcome = unsendable(delivery().begun, fault, INSTANT)

    assert outcome.state is MailState.GIVEN_UP
    assert outcome.event is not None
    assert (outcome.event.event, outcome.event.permanence, outcome.event.fault) == ("failed", "permanent", whose)
    assert outcome.event.diagnostic == fault.message


def test_a_suppressed_address_is_answered_so() -> None:
    """And nothing of it suppresses the address anew."""
    outcome = suppressed(delivery().begun, INSTANT)

    assert (outcome.state, outcome.address) == (MailState.GIVEN_UP, None)
    assert outcome.event is not None
    assert outcome.event.event is EventKind.SUPPRESSED


def test_a_message_that_is_put_back_counts_nothing_and_answers_nothing() -> None:
    """The next process sends it at once (R17)."""
    outcome = put_back(delivery())

    assert (outcome.state, outcome.wait, outcome.event) == (MailState.WAITING, timedelta(0), None)
    assert (outcome.was_tried, outcome.is_unsure, outcome.command) == (False, False, fields_as_json(FIELDS))


def test_the_same_attempt_makes_the_same_event() -> None:
    """Recorded again after a crash it is no second one; the next attempt, and another command, make others (R32)."""

    def name(tries: int, entry: str = "1-0") -> str:
        begun = BegunMail("d", entry, tries, is_unsure=False, age=MINUTE)
        event = unsendable(begun, TemplateFault("x"), INSTANT).event
        assert event is not None
        return event.event_id

    assert name(0) == name(0)
    assert len({name(0), name(1), name(0, "2-0"), answered_again("d", "2-0", EventKind.FAILED, INSTANT).event_id}) == 4


def test_the_fields_of_a_command_come_back_as_they_were() -> None:
    """Byte for byte, in their order: the message that is sent later is the same."""
    assert tuple(fields_of_json(fields_as_json(FIELDS))) == FIELDS
