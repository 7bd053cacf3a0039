"""Why a route has ended, and what can still be done about it, case by case (R3)."""

from publisher.domain.notification import RouteStatus
from publisher.operations.explain.explain import explain
from publisher.operations.explain.explanation import Explanation, RouteState
from tests.factories import route_record
from tests.unit.operations.explain.test_explain import FAILED, MINUTE, NOW, OPEN, SECOND, STREAM, told

DEAD = FAILED | {
    "status": RouteStatus.DEAD_LETTER,
    "attempt_count": 16,
    "next_attempt_at": None,
    "dead_lettered_at": NOW - 2 * SECOND,
}
DELIVERY = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"
LATER = "An intent with a later deadline, or none, under another idempotency key makes a new notification."
PUBLISHED = {
    "status": RouteStatus.PUBLISHED,
    "next_attempt_at": None,
    "published_at": NOW - MINUTE,
    "stream_entry_id": "17-1",
}


def test_a_published_route_says_where_its_command_stands() -> None:
    """A published route names stream and entry, and the way to have it published again (R6)."""
    assert told(**PUBLISHED) == Explanation(
        RouteState.PUBLISHED,
        ("Published 2026-03-14 09:25:53.589Z (1 min ago) as stream entry 17-1 of mail:delivery_commands.",),
        (
            "Nothing: the rest is its consumers' matter.",
            "To have it published again: publisher routes republish b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7",
        ),
    )


def test_a_replayed_command_is_told() -> None:
    """How often the command was replayed, and after how many failures it was taken."""
    assert told(**PUBLISHED, replay=2, attempt_count=1).why == (
        (
            "Published 2026-03-14 09:25:53.589Z (1 min ago) as stream entry 17-1 of mail:delivery_commands,"
            " after 1 failed attempt."
        ),
        "Its command was replayed 2 times, by an operator.",
    )


def test_a_command_on_a_stream_that_was_renamed_is_told_where_it_stands() -> None:
    """The stream that the command was published to, not the channel's of today (R12)."""
    [why] = explain(route_record(**PUBLISHED, stream="mail:old"), OPEN, STREAM).why

    assert " as stream entry 17-1 of mail:old" in why


def test_a_published_route_past_its_deadline_offers_no_replay() -> None:
    """Republishing leaves such a route alone, so it is not offered."""
    assert told(**PUBLISHED, expires_at=NOW - SECOND).next[-1] == (
        "Its deadline was 2026-03-14 09:26:52.589Z (1 s ago): it is not published again."
    )


def test_a_published_route_of_a_channel_that_is_gone_is_still_told() -> None:
    """The entry is named, even if nothing here knows its stream any more."""
    assert (
        "stream entry 17-1 of the stream of email, which is not installed here."
        in told(stream=None, **PUBLISHED).why[0]
    )


def test_a_dead_letter_past_its_deadline_is_not_to_be_taken_back() -> None:
    """A requeue leaves it alone, so nobody is told to requeue it (R3)."""
    assert told(**DEAD, expires_at=NOW - SECOND).next == (
        "Nothing: its deadline was 2026-03-14 09:26:52.589Z (1 s ago), so it is not taken back and never sent late.",
        LATER,
        f"To take it off the list of dead letters that wait: publisher dead-letters discard {DELIVERY}",
    )
    assert "requeue" in str(told(**DEAD, expires_at=NOW + SECOND).next[0])


def test_a_dead_letter_says_why_and_how_to_take_it_back() -> None:
    """A dead letter names its reason and the command that requeues it; nothing happens by itself (R3)."""
    assert told(**DEAD) == Explanation(
        RouteState.DEAD_LETTER,
        (
            (
                "Dead-lettered 2026-03-14 09:26:51.589Z (2 s ago) because"
                " mail_stream_publish_failed: Redis refused: WRONGTYPE (16 of 16 attempts made)."
            ),
        ),
        (
            (
                "Nothing by itself. Once mail:delivery_commands is a stream again: another kind of key has that name,"
                f" and must be moved away, take it back: publisher dead-letters requeue {DELIVERY}"
            ),
        ),
    )


def test_a_dead_letter_by_lost_leases_blames_the_workers() -> None:
    """A route that killed its workers says so (R5a)."""
    lost = DEAD | {"attempt_count": 0, "last_failure_classification": "lease_expired"}

    assert "(0 of 16 attempts made; the workers that leased it ended without telling)" in told(**lost).why[0]


def test_a_command_to_copy_is_quoted_for_the_shell() -> None:
    """An address that a shell would obey is quoted in every command that is offered for copying."""
    route_id = "email:address:a@b;rm -rf $HOME"
    quoted = "'b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:address:a@b;rm -rf $HOME'"

    assert str(told(**DEAD | {"route_id": route_id}).next[-1]).endswith(f"requeue {quoted}")
    assert str(told(**PUBLISHED | {"route_id": route_id}).next[-1]).endswith(f"republish {quoted}")


def test_a_skipped_route_had_no_address() -> None:
    """A skipped route names recipient and channel (R3)."""
    explanation = told(status=RouteStatus.SKIPPED, next_attempt_at=None)

    assert (explanation.state, explanation.next_at) == (RouteState.SKIPPED, None)
    assert explanation.why == (
        (
            "Skipped when it was accepted, 2026-03-14 08:26:53.589Z (1 h ago): the recipient user:7 has no address"
            " for email."
        ),
    )


def test_an_expired_route_names_its_deadline_and_its_last_failure() -> None:
    """An expired route says when its deadline was, what failed before, and that it is never sent late."""
    explanation = told(**FAILED | {"status": RouteStatus.EXPIRED, "next_attempt_at": None, "expires_at": NOW - SECOND})

    assert (explanation.state, explanation.next_at) == (RouteState.EXPIRED, None)
    assert explanation.why == (
        "Expired: its deadline was 2026-03-14 09:26:52.589Z (1 s ago), and it was not published by then.",
        (
            "Its last failed attempt, 2026-03-14 09:26:51.589Z (2 s ago):"
            " mail_stream_publish_failed: Redis refused: WRONGTYPE."
        ),
    )
    assert explanation.next == ("Nothing: it is never sent late.", LATER)
