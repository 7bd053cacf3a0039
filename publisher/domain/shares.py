"""Shares a number of routes out: over lanes by weight, then over producers equally, then over a producer's types (R31).

Each token stands for one route. Pure: which lane and which producer is next is a value, kept between two claims.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from publisher.domain.lanes import Lane

Key = TypeVar("Key", bound=Hashable)
# Out of twelve tokens that every lane could use.
WEIGHTS: Mapping[Lane, int] = MappingProxyType({Lane.URGENT: 8, Lane.NORMAL: 3, Lane.BULK: 1})


@dataclass(frozen=True, slots=True)
class Group:
    """The open routes of a channel that have the same lane, producer and notification type.

    key: stands for all that they have in common (see `storage.group_keys`).
    """

    key: int
    lane: Lane
    producer: str
    notification_type: str


@dataclass(frozen=True, slots=True)
class DueGroup:
    """A group with due routes.

    due: how many, counted up to a few times its share.
    is_more: more may be due than were counted.
    oldest: since when the first of its open routes is due.
    """

    group: Group
    due: int
    is_more: bool
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Rotation:
    """Who is next, after the tokens that were shared out before.

    owed: how far each lane is behind the part of the tokens that its weight gives it.
    turns: by lane and producer, a number: the higher, the later the producer got a token that another did not get.
    """

    owed: Mapping[Lane, int] = field(default_factory=dict)
    turns: Mapping[tuple[Lane, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shares:
    """The result.

    quotas: how many routes of each group to claim, the most urgent lane first; each at least 1.
    last: by lane, the first group of the producer that got the last token. Without a lane in which all got all.
    """

    quotas: Mapping[Group, int]
    last: Mapping[Lane, Group]
    rotation: Rotation


def share_out(
    tokens: int, groups: Sequence[DueGroup], rotation: Rotation, weights: Mapping[Lane, int] = WEIGHTS
) -> Shares:
    """Shares the tokens out over these groups. None is left over while some group has more due.

    A lane gets its weight's part of the tokens, and what other lanes leave. The producers of a lane get equal shares,
    and what other producers leave. Where there are fewer tokens than lanes or producers, they take turns.
    groups: of each lane in the order in which its producers take their first turn.
    """
    by_lane = {lane: [group for group in groups if group.group.lane is lane and group.due > 0] for lane in Lane}
    due = {lane: sum(group.due for group in of_lane) for lane, of_lane in by_lane.items() if of_lane}
    tokens_of, owed = _over_lanes(tokens, due, rotation.owed, weights)
    quotas: dict[Group, int] = {}
    last: dict[Lane, Group] = {}
    turns: dict[tuple[Lane, str], int] = {}
    turn = max(rotation.turns.values(), default=0) + 1
    for lane, count in tokens_of.items():
        of_producer: dict[str, list[DueGroup]] = {}
        for group in by_lane[lane]:
            of_producer.setdefault(group.group.producer, []).append(group)
        before = {producer: rotation.turns.get((lane, producer), 0) for producer in of_producer}
        in_order = sorted(before, key=lambda producer: before[producer])
        wanted = {producer: sum(group.due for group in of_producer[producer]) for producer in in_order}
        shares, latest = in_turn(count, wanted)
        for producer, share in shares.items():
            # The type that has waited longest goes first: with one token, it is the only one that goes.
            own = sorted(of_producer[producer], key=lambda group: group.oldest)
            quotas |= in_turn(share, {group.group: group.due for group in own})[0]
        if latest:
            last[lane] = of_producer[latest[-1]][0].group
        turns |= {(lane, producer): at for producer, at in before.items()}
        turns |= {(lane, producer): turn + place for place, producer in enumerate(latest)}
    return Shares(quotas, last, Rotation(owed, turns))


def _over_lanes(
    tokens: int, due: Mapping[Lane, int], owed: Mapping[Lane, int], weights: Mapping[Lane, int]
) -> tuple[dict[Lane, int], dict[Lane, int]]:
    """Returns the tokens of each lane, and what it is owed afterwards.

    Before each token every lane that has more due is owed its weight more. The token goes to the lane that is owed
    most, which pays what all have gained. So over many tokens each has its part, and none waits for ever for the first.
    """
    if len(due) == 1:
        [(lane, count)] = due.items()
        return {lane: min(tokens, count)}, {}
    left, behind = dict(due), {lane: owed.get(lane, 0) for lane in due}
    shares = dict.fromkeys(due, 0)
    for _ in range(min(tokens, sum(due.values()))):
        for lane in left:
            behind[lane] += weights[lane]
        lane = max(left, key=behind.__getitem__)
        behind[lane] -= sum(weights[each] for each in left)
        shares[lane] += 1
        left[lane] -= 1
        if not left[lane]:
            del left[lane]
    # A lane that has nothing more due has no claim to what it left.
    return shares, {lane: behind[lane] for lane in left}


def in_turn(tokens: int, wanted: Mapping[Key, int]) -> tuple[dict[Key, int], Sequence[Key]]:
    """Gives each in turn one token, until none is left or nobody wants more.

    Returns the shares, without those of nobody; and who got a token in the last round, if not all who wanted one did.
    """
    if tokens >= sum(wanted.values()):
        return {key: count for key, count in wanted.items() if count}, ()
    shares: dict[Key, int] = {}
    left = _wanting(wanted.items())
    while tokens >= len(left):
        # Whole rounds at once, for as long as none of those who are left has enough.
        rounds = min(tokens // len(left), *(count for _, count in left))
        for key, _ in left:
            shares[key] = shares.get(key, 0) + rounds
        tokens -= rounds * len(left)
        left = _wanting((key, count - rounds) for key, count in left)
    latest = [key for key, _ in left[:tokens]]
    for key in latest:
        shares[key] = shares.get(key, 0) + 1
    return shares, latest


def _wanting(wanted: Iterable[tuple[Key, int]]) -> list[tuple[Key, int]]:
    return [(key, count) for key, count in wanted if count > 0]
