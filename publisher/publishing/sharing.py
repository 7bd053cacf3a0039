"""Claims by shares, where a channel has a rate limit, a hold matches some routes, or some are in a lane of their own.

A claim takes three steps. The groups of the channel with due routes are found: by lane, producer and notification type
(storage.claiming.due_groups). The routes that the claim may take are shared out over them (domain.shares, R31). Then so
many routes of each group are leased, those due longest first, without those that a hold matches
(storage.claiming.group_claims, R29).

Bulk routes leave room for urgent ones. Each process has at most one batch with bulk routes of a channel in progress:
its other threads are free for what comes. A thread that finds the room for bulk taken claims the other lanes alone.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from publisher.domain.channel import Channel
from publisher.domain.lanes import Lane
from publisher.domain.shares import DueGroup, Rotation, Shares, share_out
from publisher.publishing.batch import Batch
from publisher.publishing.policy import Policy
from publisher.publishing.throttle import Throttle
from publisher.publishing.walk_round import WalkRound
from storage.claiming.claims import Claim
from storage.claiming.due_groups import DueGroups, Places, due_groups, fill_blank
from storage.claiming.group_claims import claim_shares
from storage.database import Database
from storage.places import Place

# How many blank routes are filled in at a time, and for how long by one claim: those of a channel may stand behind many
# of another one. While there are none, they are looked for seldom: where a transaction is old, that costs much.
_FILLED = 1_000
_FILL_SECONDS = 0.5
_BLANK_LOOK_SECONDS = 5.0
# Only where there are few groups does each have many index entries of published routes to walk over.
_PLACES = 64
# As in `publisher.publishing.claim_cursor`: how long groups are claimed behind the last claim of each.
_LEAST_SECONDS, _MOST_SECONDS, _SHARE = 1.0, 7.0, 0.02


class BulkRoom:
    """Room for one batch with bulk routes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turned_away = False

    def enter(self) -> bool:
        """Takes the room, if it is free."""
        if self._lock.acquire(blocking=False):
            self._turned_away = False
            return True
        self._turned_away = True
        return False

    def leave(self) -> bool:
        """Frees the room. Returns True if another claim found it taken, and so has left its bulk routes."""
        turned_away = self._turned_away
        self._lock.release()
        return turned_away


@dataclass
class _Known:
    """What a process knows of a channel from its last claims.

    is_shared: the last claim was one by shares.
    has_blank: the last claim has found blank routes.
    starts: by lane, the key of the group behind which the next walk begins.
    places: by the key of a group, the place behind which its next claim begins, until the instant `until`.
    round: the walks since the last claim of a route.
    """

    is_shared: bool = False
    has_blank: bool = False
    rotation: Rotation = field(default_factory=Rotation)
    starts: Mapping[Lane, int] = field(default_factory=dict)
    places: Places = field(default_factory=dict)
    until: float = 0.0
    room: BulkRoom = field(default_factory=BulkRoom)
    round: WalkRound = field(default_factory=WalkRound)


class Sharing:
    """Claims by shares. Safe to share between threads.

    now: seconds on a monotonic clock.
    """

    def __init__(self, database: Database, policy: Policy, now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._policy = policy
        self._now = now
        self._lock = threading.Lock()
        self._channels: dict[str, _Known] = {}
        self._blank_looks = Throttle(_BLANK_LOOK_SECONDS, now)

    def is_used(self, channel: str) -> bool:
        """Returns True if the last claim of the channel was one by shares."""
        return self._of(channel).is_shared

    def claim(self, to: Channel, tokens: int, *, hoped: bool, through_parking: bool) -> Batch | None:
        """Claims up to `tokens` due routes of the channel. None: nothing calls for shares now.

        hoped, through_parking: see `claim_due`. Raises DatabaseUnavailable.
        """
        known, began = self._of(to.name), self._now()
        places, starts = (known.places if began < known.until else {}), known.starts
        options: dict[str, Any] = {"setting": to.rate, "hoped": hoped, "through_parking": through_parking}
        looks = known.has_blank or self._blank_looks.is_time(to.name)
        walk: dict[str, Any] = {"tokens": tokens, "starts": starts, "places": places, "look_for_blank": looks}
        found = due_groups(self._database, to.name, **walk, **options)
        known.is_shared, known.has_blank = found.controlled, found.has_blank
        if not found.controlled:
            return None
        filled = found.has_blank and self._fill(began)
        room = known.room if any(_is_bulk(each) and each.due for each in found.groups) else None
        # The groups of a lane whose walk was cut, unless the batch that has its room sees to those.
        cut = set(found.cut)
        if room is not None and not room.enter():
            room = None
            cut.discard(Lane.BULK)
        groups = [each for each in found.groups if room is not None or not _is_bulk(each)]
        try:
            shares = share_out(tokens, groups, known.rotation, self._policy.lane_weights)
            claim, ends = Claim("", (), more=False, refusing=found.refusing, limit=found.limit), dict[int, Place[int]]()
            if shares.quotas:
                options |= {"lease_ttl": self._policy.lease_ttl, "stream": to.address}
                claim, ends = claim_shares(self._database, to.name, shares.quotas, places=places, **options)
        except BaseException:
            if room is not None:
                room.leave()
            raise
        left = [each for each in groups if _is_left(each, shares.quotas.get(each.group, 0), ends)]
        # Behind the places of these groups nothing more is due, and what stands before may be.
        emptied = {each.group.key for each in groups} & places.keys() - {each.group.key for each in left}
        kept = {key: place for key, place in {**places, **ends}.items() if key not in emptied}
        self._note(known, found, shares, began, kept)
        goes_on = known.round.goes_on(starts, known.starts, cut, found_some=bool(claim.routes))
        more = claim.more or filled or bool(left or emptied or goes_on or (found.cut and claim.routes))
        batch = Batch(to, replace(claim, more=more), began)
        if room is not None and claim.routes and any(group.lane is Lane.BULK for group in shares.quotas):
            batch.leave_room = room.leave
            batch.is_followed_at_once = any(not _is_bulk(each) for each in left)
        elif room is not None:
            room.leave()
        return batch

    def _fill(self, began: float) -> bool:
        """Gives blank routes their group for a while. Returns whether there were any that nobody else had in hand."""
        filled = first = fill_blank(self._database, _FILLED)
        while filled == _FILLED and self._now() - began < _FILL_SECONDS:
            filled = fill_blank(self._database, _FILLED)
        return first > 0

    def _of(self, channel: str) -> _Known:
        with self._lock:
            return self._channels.setdefault(channel, _Known())

    def _note(self, known: _Known, found: DueGroups, shares: Shares, began: float, places: Places) -> None:
        starts = {lane: group.key for lane, group in found.cut.items()}
        starts |= {lane: group.key for lane, group in shares.last.items() if lane in found.cut}
        with self._lock:
            known.rotation, known.starts = shares.rotation, starts
            if began >= known.until:
                took = self._now() - began
                known.until = self._now() + min(max(_LEAST_SECONDS, took / _SHARE), _MOST_SECONDS)
            known.places = dict(list(places.items())[-_PLACES:])


def _is_left(each: DueGroup, quota: int, ends: Places) -> bool:
    """Whether routes of the group are due that this claim has not taken. ends: of the groups whose quota was full."""
    return (each.is_more or each.due > quota) and (not quota or each.group.key in ends)


def _is_bulk(each: DueGroup) -> bool:
    return each.group.lane is Lane.BULK
