"""Idempotency conflicts: other content under an accepted key (R18)."""

import pytest

from publisher.domain.conflict import idempotency_conflict, standing_conflict
from publisher.domain.rejection import RejectionCode
from tests.factories import intent


def test_other_content_under_an_accepted_key_would_conflict_again() -> None:
    """Sent again under the same key it is refused before it is sent, with what to change (R18)."""
    mine = intent(idempotency_key="turn-17")

    refusal = standing_conflict(mine, "the fingerprint of other content")

    assert refusal is not None
    assert refusal.code is RejectionCode.IDEMPOTENCY_CONFLICT
    assert mine.notification_id in refusal.message
    assert "change idempotency_key" in refusal.message


def test_an_intent_that_was_read_is_told_whose_its_key_is_and_nothing_more() -> None:
    """Nobody changes an entry of the stream any more: its record and the log say what happened (R18)."""
    mine = intent(idempotency_key="turn-17")

    rejection = idempotency_conflict(mine, "the fingerprint of other content")

    assert rejection is not None
    assert rejection.message == (
        f"this producer and idempotency_key were accepted with other content as notification {mine.notification_id}"
    )


@pytest.mark.parametrize("same", [True, False])
def test_a_new_key_or_the_same_content_conflicts_with_nothing(same: bool) -> None:
    """Nothing under this key, or the very same content, is no conflict (R18)."""
    mine = intent()

    assert standing_conflict(mine, mine.fingerprint if same else None) is None
