"""What became of a command, in the words of `trace` and `explain` (R27)."""

from datetime import timedelta

import pytest

from publisher.domain.errors import RedisUnavailable
from publisher.operations.trace.command_outcome import CommandOutcome, Handling, command_outcome
from publisher.streams.standing import EntryStanding, Place, Standing
from publisher.streams.unread import Counted

DONE = Standing(is_read=True)
HELD = Standing(True, "mail-1", timedelta(seconds=12), 3)
UNREAD = Standing(is_read=False)


def outcome(place: Place = Place.ON_STREAM, **groups: Standing) -> CommandOutcome:
    return command_outcome("mail", "17-1", EntryStanding(place, None, groups))


@pytest.mark.parametrize(
    ("standing", "handling", "said"),
    [
        (DONE, Handling.ACKNOWLEDGED, "Acknowledged by mail-service."),
        (HELD, Handling.PENDING, "Held by mail-1 of mail-service for 12 s, delivered 3 times."),
        (UNREAD, Handling.UNREAD, "Not read yet by mail-service."),
        (
            Standing(is_read=False, before=Counted(0)),
            Handling.UNREAD,
            "Not read yet by mail-service, which comes to it next.",
        ),
        (
            Standing(is_read=False, before=Counted(4_012)),
            Handling.UNREAD,
            "Not read yet by mail-service, 4,012 before it.",
        ),
        (
            Standing(is_read=False, before=Counted(10_000, is_bound=True)),
            Handling.UNREAD,
            "Not read yet by mail-service, at least 10,000 before it.",
        ),
    ],
)
def test_a_command_on_the_stream_is_with_each_group(standing: Standing, handling: Handling, said: str) -> None:
    """Acknowledged, held by somebody, or not read yet: each as Redis has it."""
    found = outcome(**{"mail-service": standing})

    assert found.sentences == (said,)
    assert [(each.group, each.handling) for each in found.groups] == [("mail-service", handling)]
    assert (found.place, found.problem) == (Place.ON_STREAM, None)


def test_groups_that_are_done_share_a_sentence() -> None:
    """What is not done follows, group by group."""
    found = outcome(audit=DONE, mail=DONE, search=UNREAD)

    assert found.sentences == ("Acknowledged by audit, mail.", "Not read yet by search.")


@pytest.mark.parametrize(
    ("place", "groups", "said"),
    [
        (Place.ON_STREAM, {}, ["No group reads the stream: Redis does not know who has read it."]),
        (
            Place.TRIMMED,
            {"audit": DONE, "mail": DONE},
            ["No longer on the stream: trimmed after all had read it (audit, mail)."],
        ),
        (
            Place.TRIMMED,
            {"audit": DONE, "mail": UNREAD},
            ["No longer on the stream: trimmed.", "Acknowledged by audit.", "Removed before mail had read it."],
        ),
        (
            Place.TRIMMED,
            {},
            [
                "No longer on the stream: trimmed.",
                "No group reads the stream: Redis does not know who has read it.",
            ],
        ),
        (
            Place.DELETED,
            {"audit": DONE, "mail": HELD},
            [
                "No longer on the stream: deleted.",
                "Acknowledged by audit.",
                "Held by mail-1 of mail for 12 s, delivered 3 times; nobody can read it again.",
            ],
        ),
        (
            Place.BEYOND,
            {"mail": UNREAD},
            ["It is not on the stream, which ends before its id: Redis lost it, or the stream was made anew."],
        ),
        (
            Place.NO_STREAM,
            {},
            ["Its stream is gone, and the groups with it: what its readers did with it cannot be told."],
        ),
    ],
)
def test_a_command_that_is_not_there_is_told_as_far_as_is_known(
    place: Place, groups: dict[str, Standing], said: list[str]
) -> None:
    """Trimmed, deleted, lost or gone with its stream; nothing is claimed that Redis does not know."""
    assert list(outcome(place, **groups).sentences) == said


def test_of_a_lost_command_no_group_is_told() -> None:
    """The groups of a stream that was made anew say nothing of an entry before."""
    assert list(outcome(Place.BEYOND, mail=UNREAD).groups) == []


def test_many_groups_are_a_number() -> None:
    """Strangers may make any number of groups; the values have them all."""
    found = outcome(**{f"group-{n:02}": UNREAD for n in range(15)})

    assert len(found.groups) == 15
    assert found.sentences[-1] == "5 more groups have not acknowledged it."
    assert len(found.sentences) == 11


def test_what_could_not_be_read_is_told() -> None:
    """Redis is away, or the entry was not recorded: neither is told as an outcome (R35)."""
    away = command_outcome("mail", "17-1", RedisUnavailable("Redis is not available: timeout"))
    unknown = command_outcome("mail", None, None)

    assert away.sentences == ("What its readers did with it could not be read: Redis is not available: timeout.",)
    assert str(away.problem) == "Redis is not available: timeout"
    assert unknown.sentences == ("Which entry it is was not recorded: what its readers did with it cannot be told.",)
    assert (away.place, unknown.place, unknown.problem) == (None, None, None)
