"""Equal failures are one group."""

from datetime import timedelta

from publisher.operations.snapshot.failure_groups import group_failures
from storage.outcomes.failures import FailureRecord
from tests.factories import INSTANT


def failure(id_: int, channel: str = "email", message: str = "OOM", classification: str = "refused") -> FailureRecord:
    at = INSTANT + timedelta(seconds=id_)
    return FailureRecord(id_, f"notification-{id_}", "email:user:7", channel, 1, classification, message, at)


def test_equal_failures_are_one_group() -> None:
    """Of one channel, with one classification and one message: counted, from the first to the last, with the newest."""
    [group] = group_failures([failure(3), failure(2), failure(1)])

    assert (group.count, group.first_at, group.last_at) == (3, failure(1).failed_at, failure(3).failed_at)
    assert group.example == failure(3)


def test_the_group_that_failed_last_comes_first() -> None:
    """Another channel, classification or message is another group."""
    groups = group_failures(
        [failure(1), failure(2, channel="push"), failure(3, message="x"), failure(4, classification="y"), failure(5)]
    )

    assert [(group.example.id, group.count) for group in groups] == [(5, 2), (4, 1), (3, 1), (2, 1)]


def test_without_failures_there_is_no_group() -> None:
    """Nothing failed, nothing is told."""
    assert list(group_failures([])) == []
