"""What doctor says of answers that are missing (R32)."""

from datetime import timedelta

from publisher.doctor.checks.answers import unanswered
from publisher.doctor.verdict import Verdict
from storage.answers.unanswered import Unanswered

DAY = timedelta(days=1)
VARIABLES = {"email": "PUBLISHER_EMAIL_ANSWER_WITHIN", "push": "PUBLISHER_PUSH_ANSWER_WITHIN"}


def test_a_channel_with_missing_answers_is_a_warning_that_says_what_to_do() -> None:
    """The number, the oldest and the last answer; who is to be looked at; how to say that none is expected."""
    found = unanswered({"email": Unanswered(1204, True, 4 * DAY, 3 * DAY), "push": Unanswered()}, VARIABLES)

    assert found.verdict is Verdict.WARNING
    assert found.finding == (
        "email: at least 1,204 routes without an answer, the first published 4 d ago; the last answer of any came"
        " 3 d ago"
    )
    assert "publisher channels list" in found.remedy
    assert "publisher routes list --unanswered --channel email" in found.remedy
    assert "PUBLISHER_EMAIL_ANSWER_WITHIN=0" in found.remedy


def test_what_is_well_is_told_by_channel() -> None:
    """Answered in time, never answered at all, or none expected."""
    mixed = unanswered({"email": Unanswered(last_answer=DAY), "push": Unanswered()}, VARIABLES)

    assert (mixed.verdict, mixed.finding) == (
        Verdict.OK,
        "every answer came in time: email; nothing was ever answered, so nothing is missing: push",
    )
    assert unanswered({}, VARIABLES).finding == "no channel expects answers"
