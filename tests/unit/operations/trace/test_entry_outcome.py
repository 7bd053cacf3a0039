"""What became, or will become, of an entry of the intents stream, case by case (R18-R20)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations.remedy.wording import worded
from publisher.operations.trace.entry_outcome import EarlierAcceptance, EntryFacts, EntryOutcome, EntryState, outcome_of
from publisher.streams.standing import Standing
from publisher.streams.unread import Counted
from storage.notifications import RecordedMalformed
from tests.factories import INSTANT, intent

ENTRY = EntryFacts("1773480413589-0")
INTENT = intent(producer="game", idempotency_key="turn-17")
ID = INTENT.notification_id
BAD = Rejection(RejectionCode.MISSING_FIELD, "producer: Field required")
UNREAD = Standing(is_read=False)
HELD = Standing(is_read=True, consumer="intake-1", idle=timedelta(seconds=42), deliveries=2)
DONE = Standing(is_read=True)
SAME = EarlierAcceptance(INTENT.fingerprint, "1-0", None)
RECORDED = RecordedMalformed(7, "missing_field", "producer: Field required", INSTANT, None, None)
HOLDING = (
    "It is pending with intake consumer intake-1, which got it 42 s ago and has not acknowledged it; given out 2 times"
)


def sentences(outcome: EntryOutcome) -> tuple[str, ...]:
    """The outcome's sentences, their remedies worded as commands."""
    return tuple(map(worded, outcome.sentences))


def test_an_accepted_entry_names_its_notification() -> None:
    """An entry that became a notification says which, wherever it stands on the stream."""
    outcome = outcome_of(replace(ENTRY, accepted_as=(ID,)))

    assert outcome is not None
    assert (outcome.state, sentences(outcome), outcome.notification_id) == (
        EntryState.ACCEPTED,
        (f"Accepted as notification {ID}.",),
        ID,
    )


@pytest.mark.parametrize("recorded", [{"accepted_as": (ID,)}, {"malformed": RECORDED}])
def test_what_is_recorded_and_not_acknowledged_is_told_with_its_holder(recorded: dict[str, object]) -> None:
    """Between commit and XACK, or after a death there, an entry is both done and pending (R20)."""
    outcome = outcome_of(replace(ENTRY, standing=HELD, content=INTENT, **recorded))  # type: ignore[arg-type]

    assert outcome is not None
    assert sentences(outcome)[-1] == f"{HOLDING}; whoever reads it again finds it done, and acknowledges it."


def test_a_malformed_entry_says_why_and_where_to_go_on() -> None:
    """A malformed entry names code, reason and the command that shows it whole (R19)."""
    outcome = outcome_of(replace(ENTRY, malformed=RECORDED))

    assert outcome is not None
    assert (outcome.state, outcome.notification_id) == (EntryState.MALFORMED, None)
    assert sentences(outcome) == (
        "Malformed, 2026-03-14 09:26:53.589Z: missing_field: producer: Field required.",
        "Nothing came of it. Its fields, and what to do: publisher malformed show 7",
    )


def test_a_malformed_entry_that_was_resubmitted_says_as_what() -> None:
    """The way goes on at the entry by which it was sent again."""
    outcome = outcome_of(replace(ENTRY, malformed=replace(RECORDED, resubmitted_by="ann", resubmitted_as="2-0")))

    assert outcome is not None
    assert sentences(outcome)[-1] == "ann sent it again, as entry 2-0: publisher trace 2-0"


@pytest.mark.parametrize(
    ("standing", "state", "where"),
    [
        (UNREAD, EntryState.WAITING, "It waits on the stream: no intake has read it yet."),
        (HELD, EntryState.PENDING, f"{HOLDING}."),
    ],
)
@pytest.mark.parametrize(
    ("content", "earlier", "outlook"),
    [
        (INTENT, None, f"Once accepted it is notification {ID}."),
        (INTENT, SAME, f"It will change nothing: it repeats notification {ID}, accepted from entry 1-0."),
        (INTENT, replace(SAME, entry_id=None), f"It will change nothing: it repeats notification {ID}."),
        (
            INTENT,
            replace(SAME, fingerprint="other"),
            (
                "It will be malformed, as idempotency_conflict: its producer and idempotency key belong to notification"
                f" {ID}, which has other content."
            ),
        ),
        (BAD, None, "It will be malformed: missing_field: producer: Field required."),
    ],
    ids=["new", "repetition", "repetition of an old one", "conflict", "malformed"],
)
def test_an_entry_that_is_not_accepted_yet_says_where_it_is_and_what_it_will_be(
    standing: Standing, state: EntryState, where: str, content: object, earlier: EarlierAcceptance | None, outlook: str
) -> None:
    """An entry that waits or is pending is parsed, and told with what intake will make of it (R18, R19)."""
    outcome = outcome_of(replace(ENTRY, standing=standing, content=content, earlier=earlier))  # type: ignore[arg-type]

    assert outcome is not None
    assert (outcome.state, sentences(outcome)) == (state, (where, outlook))
    assert outcome.notification_id == (None if content is BAD else ID)


def test_an_entry_that_waits_says_how_many_are_before_it() -> None:
    """As the command of a published route does (R27)."""
    waiting = replace(UNREAD, before=Counted(4_012))

    outcome = outcome_of(replace(ENTRY, standing=waiting, content=INTENT))

    assert outcome is not None
    assert sentences(outcome)[0] == "It waits on the stream: no intake has read it yet, 4,012 before it."


def test_a_repetition_that_was_acknowledged_changed_nothing() -> None:
    """An acknowledged entry with the content of an earlier one names what it repeats (R18)."""
    outcome = outcome_of(replace(ENTRY, standing=DONE, content=INTENT, earlier=SAME))

    assert outcome is not None
    assert (outcome.state, outcome.notification_id) == (EntryState.REPETITION, ID)
    assert sentences(outcome) == (f"It changed nothing: it repeats notification {ID}, accepted from entry 1-0.",)


def test_the_first_entry_of_a_pruned_notification_is_not_told_as_a_repetition_for_sure() -> None:
    """Of a pruned notification nobody knows its entry: this one may be it."""
    outcome = outcome_of(
        replace(ENTRY, standing=DONE, content=INTENT, earlier=EarlierAcceptance(INTENT.fingerprint, None, INSTANT))
    )

    assert outcome is not None
    assert sentences(outcome) == (
        f"It is the intent of notification {ID}, or repeats it: which entry came first was not kept.",
        "That was pruned 2026-03-14 09:26:53.589Z; only its key is left.",
    )


def test_an_acknowledged_conflict_whose_record_is_gone_is_told() -> None:
    """Its malformed record pruned, the entry alone still tells the conflict (R18)."""
    earlier = replace(SAME, fingerprint="other")

    outcome = outcome_of(replace(ENTRY, standing=DONE, content=INTENT, earlier=earlier))

    assert outcome is not None
    assert outcome.state is EntryState.CONFLICT
    assert sentences(outcome)[0].startswith("Malformed, as idempotency_conflict: ")


def test_an_acknowledged_malformed_entry_whose_record_is_gone_is_told() -> None:
    """Its record pruned, the entry alone still tells why it was malformed (R19)."""
    outcome = outcome_of(replace(ENTRY, standing=DONE, content=BAD))

    assert outcome is not None
    assert (outcome.state, sentences(outcome)[0]) == (
        EntryState.MALFORMED,
        "Acknowledged, and malformed: missing_field: producer: Field required. Its record is gone.",
    )


def test_an_acknowledged_entry_that_left_no_trace_is_told_loudly() -> None:
    """Acknowledged and unknown: pruned altogether, or the database lost it; sending again is possible."""
    outcome = outcome_of(replace(ENTRY, standing=DONE, content=INTENT))

    assert outcome is not None
    assert (outcome.state, outcome.notification_id) == (EntryState.FORGOTTEN, ID)
    assert sentences(outcome)[-1] == f"Sent again it would be notification {ID}."


def test_an_entry_that_nothing_knows_has_no_outcome() -> None:
    """Neither on the stream nor recorded: there is nothing to say."""
    assert outcome_of(ENTRY) is None
