"""Finds single entries of a stream, and how each consumer group stands with them (R20, R27)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

import redis

from publisher.domain.entry_ids import place
from publisher.streams.consumer_group import Entry, entry_of, reply_raw
from publisher.streams.group_reading import COUNTED, GROUPS, PATIENCE, refusal, says_no_stream
from publisher.streams.groups import cut, name_of
from publisher.streams.servers.connection import translated
from publisher.streams.unread import Counted, Limit, count_before


class Place(StrEnum):
    """Where an entry is.

    ON_STREAM: it stands on its stream.
    TRIMMED: every entry up to it was removed.
    DELETED: it was removed, and an earlier entry stands still.
    BEYOND: the stream has not come as far as its id: Redis lost the entry, or the stream was made anew.
    NO_STREAM: there is no stream of this name.
    """

    ON_STREAM = "on_stream"
    TRIMMED = "trimmed"
    DELETED = "deleted"
    BEYOND = "beyond"
    NO_STREAM = "no_stream"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a consumer group is with one entry of its stream.

    is_read: whether the group has gone past the entry. Then it has delivered the entry to a consumer, unless the group
        was created behind it: Redis does not know.
    consumer: the consumer that has read the entry and not acknowledged it, or None.
    idle: time since the entry was last delivered.
    deliveries: how often the entry was delivered.
    before: the unread entries before this one; None if it is read, or if they were not counted.
    """

    is_read: bool
    consumer: str | None = None
    idle: timedelta = timedelta(0)
    deliveries: int = 0
    before: Counted | None = None

    @property
    def is_acknowledged(self) -> bool:
        """True if a consumer has read the entry and acknowledged it."""
        return self.is_read and self.consumer is None


@dataclass(frozen=True, slots=True)
class EntryStanding:
    """An entry, and how each group of its stream stands with it.

    entry: None if it is not on the stream.
    groups: by name.
    """

    place: Place
    entry: Entry | None = None
    groups: Mapping[str, Standing] = field(default_factory=dict)


def find_entries(client: redis.Redis, stream: str, ids: Sequence[str], limit: Limit) -> Mapping[str, EntryStanding]:
    """Finds entries by their ids, and how every group stands with each. Changes nothing.

    limit: of counting the unread entries before an unread one.
    Takes a client of its own, as ConsumerGroup does. Two round trips, and those of counting. The replies are no
    snapshot: an entry that is read meanwhile may be reported as unread. Raises RedisUnavailable or RedisRefused.
    """
    reply_raw(client, "XRANGE")
    with translated(), client.pipeline(transaction=False) as pipe:
        pipe.xinfo_stream(stream)
        pipe.xinfo_groups(stream)
        for id_ in ids:
            pipe.xrange(stream, id_, id_)
        about, groups, *entries = replies = pipe.execute(raise_on_error=False)
    if says_no_stream(about):
        return {id_: EntryStanding(Place.NO_STREAM) for id_ in ids}
    if error := refusal(replies):
        raise error
    standings = _standings(client, stream, groups[:GROUPS], ids, limit)
    return {
        id_: EntryStanding(
            Place.ON_STREAM if found else _absent(id_, about),
            entry_of(found[0], 0) if found else None,
            {name: of_group[id_] for name, of_group in standings.items()},
        )
        for id_, found in zip(ids, entries, strict=True)
    }


def find_entry(client: redis.Redis, stream: str, group: str, entry_id: str) -> tuple[Entry, Standing] | None:
    """Finds an entry, and how one group stands with it, as `find_entries` does. None: it is not on the stream."""
    found = find_entries(client, stream, [entry_id], Limit.of(COUNTED, PATIENCE))[entry_id]
    if found.entry is None:
        return None
    standing = found.groups.get(cut(group), Standing(is_read=False))
    return replace(found.entry, deliveries=standing.deliveries), standing


def _absent(entry_id: str, about: Mapping[str, Any]) -> Place:
    """Returns where an entry is that is not on the stream. about: what XINFO STREAM says of the stream."""
    if place(entry_id) > place(about["last-generated-id"].decode()):
        return Place.BEYOND
    first = about["first-entry"]
    return Place.TRIMMED if first is None or place(entry_id) < place(first[0].decode()) else Place.DELETED


def _standings(
    client: redis.Redis, stream: str, groups: Sequence[Mapping[str, Any]], ids: Sequence[str], limit: Limit
) -> Mapping[str, Mapping[str, Standing]]:
    """Returns how each group stands with each entry. A group that is gone meanwhile is left out."""
    delivered = {group["name"]: group["last-delivered-id"] for group in groups}
    read = {name: [id_ for id_ in ids if place(id_) <= place(last.decode())] for name, last in delivered.items()}
    with translated(), client.pipeline(transaction=False) as pipe:
        for name, of_group in read.items():
            for id_ in of_group:
                pipe.xpending_range(stream, name, min=id_, max=id_, count=1)
        replies = iter(pipe.execute(raise_on_error=False))
    standings = {}
    for name, of_group in read.items():
        held = {id_: next(replies) for id_ in of_group}
        if error := refusal(held.values()):
            if "NOGROUP" in str(error) or any(map(says_no_stream, held.values())):
                continue
            raise error
        waiting = [id_.encode() for id_ in ids if id_ not in held]
        before = count_before(client, stream, delivered[name], waiting, limit)
        unread = {id_.decode(): Standing(is_read=False, before=counted) for id_, counted in before.items()}
        standings[name_of(name)] = unread | {id_: _of(pending) for id_, pending in held.items()}
    return standings


def _of(pending: Sequence[Mapping[str, Any]]) -> Standing:
    """Returns how a group stands with an entry that it has gone past. pending: its line of XPENDING, or none."""
    if not pending:
        return Standing(is_read=True)
    [held] = pending
    idle = timedelta(milliseconds=held["time_since_delivered"])
    return Standing(True, name_of(held["consumer"]), idle, held["times_delivered"])
