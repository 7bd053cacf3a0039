"""Explains what the readers of a stream have done with the command of a published route (R27)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from publisher.domain.errors import PublisherError
from publisher.operations.explain.explanation import times
from publisher.operations.wording import names, span
from publisher.streams.standing import EntryStanding, Place, Standing

# As many groups have a sentence of their own.
_TOLD = 10


class Handling(StrEnum):
    """What a consumer group has done with a command.

    ACKNOWLEDGED: a consumer has read and acknowledged it. Of a group that was created behind the command Redis says
        the same.
    PENDING: a consumer has read it, and not acknowledged it.
    UNREAD: no consumer has read it yet.
    MISSED: it was removed from the stream before any consumer read it.
    """

    ACKNOWLEDGED = "acknowledged"
    PENDING = "pending"
    UNREAD = "unread"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class GroupHandling:
    """What one consumer group has done with a command."""

    group: str
    handling: Handling
    standing: Standing


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What became of the command of a published route.

    stream, entry_id: where it was appended. None: that was not recorded.
    place: None if that could not be told.
    groups: by name; empty where nothing can be told of them.
    sentences: the same for people.
    problem: why Redis could not be read, or None.
    """

    stream: str | None
    entry_id: str | None
    place: Place | None
    groups: Sequence[GroupHandling]
    sentences: Sequence[str]
    problem: PublisherError | None = None


def command_outcome(
    stream: str | None, entry_id: str | None, found: EntryStanding | PublisherError | None
) -> CommandOutcome:
    """Returns what became of a command. found: its entry, why it could not be read, or None if it is not known."""
    if isinstance(found, PublisherError):
        said = (f"What its readers did with it could not be read: {found}.",)
        return CommandOutcome(stream, entry_id, None, (), said, found)
    if found is None:
        said = ("Which entry it is was not recorded: what its readers did with it cannot be told.",)
        return CommandOutcome(stream, entry_id, None, (), said)
    groups = [] if found.place is Place.BEYOND else [_handling(found.place, *each) for each in found.groups.items()]
    return CommandOutcome(stream, entry_id, found.place, groups, tuple(_sentences(found.place, groups)))


def _handling(place: Place, group: str, standing: Standing) -> GroupHandling:
    if standing.is_acknowledged:
        return GroupHandling(group, Handling.ACKNOWLEDGED, standing)
    if standing.is_read:
        return GroupHandling(group, Handling.PENDING, standing)
    return GroupHandling(group, Handling.UNREAD if place is Place.ON_STREAM else Handling.MISSED, standing)


def _sentences(place: Place, groups: Sequence[GroupHandling]) -> Iterator[str]:
    done = [each.group for each in groups if each.handling is Handling.ACKNOWLEDGED]
    if place is Place.BEYOND:
        yield "It is not on the stream, which ends before its id: Redis lost it, or the stream was made anew."
        return
    if place is Place.NO_STREAM:
        yield "Its stream is gone, and the groups with it: what its readers did with it cannot be told."
        return
    if place is Place.TRIMMED and groups and len(done) == len(groups):
        yield f"No longer on the stream: trimmed after all had read it ({names(done)})."
        return
    if place is not Place.ON_STREAM:
        yield f"No longer on the stream: {place.value}."
    if not groups:
        yield "No group reads the stream: Redis does not know who has read it."
    if done:
        yield f"Acknowledged by {names(done)}."
    others = [each for each in groups if each.handling is not Handling.ACKNOWLEDGED]
    for each in others[:_TOLD]:
        yield _said(each, place)
    if len(others) > _TOLD:
        yield f"{len(others) - _TOLD:,} more groups have not acknowledged it."


def _said(each: GroupHandling, place: Place) -> str:
    standing = each.standing
    if each.handling is Handling.MISSED:
        return f"Removed before {each.group} had read it."
    if each.handling is Handling.PENDING:
        lost = "" if place is Place.ON_STREAM else "; nobody can read it again"
        held = f"Held by {standing.consumer} of {each.group} for {span(standing.idle)}"
        return f"{held}, delivered {times(standing.deliveries, 'time')}{lost}."
    return f"Not read yet by {each.group}{before(standing)}."


def before(standing: Standing) -> str:
    """Words how many unread entries stand before an unread one: `, 4,012 before it`. Blank if they were not counted."""
    if standing.before is None:
        return ""
    if standing.before.count == 0 and not standing.before.is_bound:
        return ", which comes to it next"
    return f", {'at least ' if standing.before.is_bound else ''}{standing.before.count:,} before it"
