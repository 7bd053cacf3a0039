"""Finds the published routes whose commands Redis lost, and makes them pending again: the loss audit (R12a).

A witness lives longer than the audit looks back, so a missing witness was lost. Its command was lost with it, unless
the command is seen to stand: Redis may have evicted the witness alone, or its clock was set forward. Each route is
looked for on the stream where it was published, and only while its witness is sure to live. So neither a renamed stream
nor a widened window makes the audit take a standing command for a lost one.

A walk covers the routes published since the last completed audit, and a window before that. So a loss is found even
after Redis was away, or no worker ran, for longer than the window. A walk that is cut off covers nothing.

Of commands that this deployment's own mail service sends, one without an answer is looked for however old it is, once
Redis is another one: nobody may have read it. If somebody has, the mail service knows, and sends no second message.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from publisher.domain.channel import Channel
from publisher.domain.errors import PublisherError
from publisher.domain.timeouts import audit_interval
from publisher.process.telemetry import Telemetry
from publisher.publishing.policy import Hooks, Policy
from publisher.streams.outbound import OutboundStreams
from storage import audits
from storage.audits import AuditLease, PublishedRoute
from storage.database import Database
from storage.places import Place

_log = structlog.get_logger()
_PAGE = 2000
# The part of its lease after which a walk renews it. The timeouts let a page take no more than half a lease.
_RENEWED_AFTER = 1 / 3


@dataclass
class _Walk:
    """An audit in progress. stream: where the channel publishes today, an address. lost: routes pending again."""

    lease: AuditLease
    stream: str
    lost: int = 0


class LossAudit:
    """Audits channels, one process a channel at a time. Safe to share between threads.

    A walk ends early once the process is told to stop.
    """

    def __init__(
        self,
        database: Database,
        streams: OutboundStreams,
        channels: Mapping[str, Channel],
        telemetry: Telemetry,
        policy: Policy,
        hooks: Hooks,
    ) -> None:
        self._database = database
        self._streams = streams
        self._channels = channels
        self._telemetry = telemetry
        self._window = policy.audit_window
        self._lease_ttl = policy.lease_ttl
        self._sent_here = policy.sent_here
        self._beat = hooks.beat
        self._stopping = hooks.stopping

    @property
    def is_off(self) -> bool:
        """True if the settings want no audits."""
        return self._window <= timedelta(0)

    def run(self, channel: str, identity: Callable[[str], str] | None = None) -> int:
        """Audits the channel if that is due and nobody else is at it. Returns how many routes are pending again.

        identity: reads that of the Redis of an address; audits that follow one another may share what it has read.
            None: it is asked for.
        Raises RedisUnavailable, RedisRefused or DatabaseUnavailable; the next call looks at everything again then.
        """
        if self.is_off:
            return 0
        address = self._channels[channel].address
        found = (identity or self._streams.identities())(address)
        self._beat()
        lease = audits.take_audit(
            self._database,
            channel,
            identity=found,
            interval=audit_interval(self._window),
            window=self._window,
            dedup_window=self._streams.dedup_window,
            lease_ttl=self._lease_ttl,
        )
        if lease is None:
            return 0
        if lease.is_redis_changed and lease.channel in self._sent_here:
            _log.info("redis was restarted, replaced or emptied: auditing", channel=channel)
        walk = _Walk(lease, address)
        completed = False
        try:
            completed = self._walk(walk) and audits.complete_audit(self._database, lease, found)
        finally:
            if not completed:
                self._give_up(lease)
        return walk.lost

    def _walk(self, walk: _Walk) -> bool:
        """False if it was cut off."""
        lease = walk.lease
        if lease.is_redis_changed and lease.channel in self._sent_here:
            reach = Place(lease.began - self._streams.dedup_window, 0)
            if not self._pages(walk, reach, unanswered_until=lease.start.at):
                return False
        return self._pages(walk, lease.start)

    def _pages(self, walk: _Walk, after: Place[int], unanswered_until: datetime | None = None) -> bool:
        """Page by page to the end. False if it was cut off."""
        renewed = time.monotonic()
        while not self._stopping():
            self._beat()
            page = audits.published_after(
                self._database,
                walk.lease.channel,
                after,
                window=self._window,
                limit=_PAGE,
                unanswered_until=unanswered_until,
            )
            self._beat()
            self._return_lost(walk, page, unanswered=unanswered_until is not None)
            if len(page) < _PAGE:
                return True
            after = Place(page[-1].published_at, page[-1].id)
            if time.monotonic() - renewed >= self._lease_ttl.total_seconds() * _RENEWED_AFTER:
                renewed = time.monotonic()
                if not audits.renew_audit(self._database, walk.lease, self._lease_ttl):
                    _log.warning("another process took this audit over", channel=walk.lease.channel)
                    return False
        return False

    def _return_lost(self, walk: _Walk, page: Sequence[PublishedRoute], *, unanswered: bool) -> None:
        # On a Redis that no setting names any more nobody can look, and what stands there is not lost.
        looked_for = [r for r in page if r.is_witnessed and self._streams.reaches(r.stream or walk.stream)]
        entries = self._streams.witnesses([(r.stream or walk.stream, r.delivery_id, r.replay) for r in looked_for])
        unwitnessed = [route for route, entry in zip(looked_for, entries, strict=True) if entry is None]
        if not unwitnessed:
            return
        self._beat()
        lost = self._without_commands(walk, unwitnessed)
        self._beat()
        returned = audits.return_lost(self._database, lost, window=self._window, unanswered=unanswered)
        for route in lost:
            if route.id in returned:
                _log.warning(
                    "route's command was lost by redis and is published again",
                    delivery_id=route.delivery_id,
                    channel=walk.lease.channel,
                    stream=route.stream or walk.stream,
                    stream_entry_id=route.stream_entry_id,
                )
        self._telemetry.lost(walk.lease.channel, len(returned))
        walk.lost += len(returned)

    def _without_commands(self, walk: _Walk, unwitnessed: Sequence[PublishedRoute]) -> list[PublishedRoute]:
        """Returns the routes whose commands are gone as well. The others are logged, and have witnesses again."""
        stands = self._streams.standing(
            [(route.stream or walk.stream, route.delivery_id, route.replay) for route in unwitnessed],
            [route.stream_entry_id for route in unwitnessed],
        )
        if any(stands):
            _log.error(
                "witnesses are gone whose commands stand: redis evicts keys, or its clock was set",
                channel=walk.lease.channel,
                commands=sum(stands),
            )
        return [route for route, stand in zip(unwitnessed, stands, strict=True) if not stand]

    def _give_up(self, lease: AuditLease) -> None:
        """Gives the audit's lease up. Best effort: a lease that is not given up runs out."""
        try:
            audits.give_up_audit(self._database, lease)
        except PublisherError as error:
            _log.info("an audit's lease was not given up and will run out", channel=lease.channel, error=str(error))
