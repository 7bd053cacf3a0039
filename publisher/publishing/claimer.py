"""Claims the batches of a publisher, or takes what intake has handed over (R4, R5).

A batch knows when its claim began: from there its lease is measured (see `domain.timeouts`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from publisher.domain.channel import Channel
from publisher.publishing.batch import Batch
from publisher.publishing.policy import Policy
from publisher.publishing.sharing import Sharing
from publisher.publishing.throttle import Throttle
from publisher.streams.rate_limits import Hope
from storage.claiming import claims
from storage.database import Database
from storage.places import Place

# A handover is used while so much of its lease is left. One that waited longer is claimed: for a lease of full length.
_FRESH = 1 / 2
# A claim looks whether another lane is in use if it begins at the oldest route, or is the first in so long. A lane is
# seen within a second, and the other claims cost a twentieth less.
_LANE_LOOK_SECONDS = 1.0
# So many routes more for each partition are claimed under a rate limit. Each partition has tokens of its own, and the
# oldest routes may be those of one that has none: they are given back uncounted, and those of the others go out.
_SPARE = 8


class Claimer:
    """Claims batches, each under a lease of its own. Safe to share between threads.

    Every method raises DatabaseUnavailable if nothing could be claimed.
    now: seconds on a monotonic clock.
    """

    def __init__(self, database: Database, policy: Policy, now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._policy = policy
        self._sharing = Sharing(database, policy, now)
        self._lane_looks = Throttle(_LANE_LOOK_SECONDS, now)
        # Without probes nothing would ever open a parked channel.
        self._through_parking = policy.probing is None

    def due(self, to: Channel, after: Place[int] | None, hope: Hope | None = None) -> Batch:
        """Claims due routes of the channel. after: see `claim_due`.

        hope: how many, at most; None: the channel is not known to have a rate limit, and nothing is claimed if it has.
        A claim that takes all that it may hope for, less than a batch, is followed by another one after a wait. Of
        partitions a few routes more are claimed, since one may have used up its part of the limit.
        """
        size = self._policy.batch_size
        if hope is None:
            return self._due(to, size, after, through_parking=self._through_parking)
        # A limit makes routes wait: they are claimed by shares, whatever else is in use (R31).
        wanted = hope.tokens if to.partitions == 1 else hope.tokens + _SPARE * to.partitions
        shared = self._sharing.claim(to, min(wanted, size), hoped=True, through_parking=self._through_parking)
        batch = shared or self._due(to, min(wanted, size), after, through_parking=self._through_parking)
        batch.promised = hope.tokens
        if batch.claim.limit is not None and hope.tokens <= len(batch.claim.routes) and hope.tokens < size:
            batch.claim = replace(batch.claim, more=False)
            batch.wait = hope.wait
        return batch

    def probe(self, to: Channel, limit: int) -> Batch:
        """Claims a few due routes of a parked channel."""
        # Without hope: the append tells if the rate limit lets nothing through.
        batch = self._due(to, limit, None, through_parking=True, hoped=True)
        batch.is_probe = True
        return batch

    def these(self, to: Channel, ids: Sequence[int], handover: str | None) -> Batch:
        """Takes those of these routes that are handed over; claims those that are due and free if there is none.

        handover: the token that the message names, or None.
        """
        if handover is not None:
            handed_over = self._handed_over(to, ids, handover)
            if handed_over.claim.routes:
                return handed_over
        began = time.monotonic()
        claim = claims.claim_these(
            self._database,
            to.name,
            ids,
            lease_ttl=self._policy.lease_ttl,
            stream=to.address,
            through_parking=self._through_parking,
            handover=handover,
            setting=to.rate,
        )
        return Batch(to, claim, began)

    def ending(self, to: Channel) -> Batch:
        """Claims routes of the channel that are past their deadline, or to be cancelled."""
        began = time.monotonic()
        limit, lease_ttl = self._policy.batch_size, self._policy.lease_ttl
        return Batch(to, claims.claim_ending(self._database, to.name, limit=limit, lease_ttl=lease_ttl), began)

    def _handed_over(self, to: Channel, ids: Sequence[int], handover: str) -> Batch:
        began = time.monotonic()
        claim = claims.take_handed_over(
            self._database,
            to.name,
            ids,
            handover,
            at_least=self._policy.handover * _FRESH,
            at_most=self._policy.lease_ttl,
            through_parking=self._through_parking,
            setting=to.rate,
        )
        return Batch(to, claim, began)

    def _due(
        self, to: Channel, limit: int, after: Place[int] | None, *, through_parking: bool, hoped: bool = False
    ) -> Batch:
        """Claims what is due longest, or by shares while the last claim was one or this one finds that it must be."""
        shared = None
        if self._sharing.is_used(to.name):
            shared = self._sharing.claim(to, limit, hoped=hoped, through_parking=through_parking)
        if shared is not None:
            return shared
        began = time.monotonic()
        claim = claims.claim_due(
            self._database,
            to.name,
            limit=limit,
            lease_ttl=self._policy.lease_ttl,
            stream=to.address,
            after=after,
            through_parking=through_parking,
            setting=to.rate,
            hoped=hoped,
            look_for_lanes=after is None or self._lane_looks.is_time(to.name),
        )
        if claim.controlled:
            shared = self._sharing.claim(to, limit, hoped=hoped, through_parking=through_parking)
        return shared or Batch(to, claim, began)
