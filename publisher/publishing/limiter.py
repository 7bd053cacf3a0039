"""Limiter: asks the rate limit of a channel how many routes may be claimed, before any is (R30).

The append alone holds the limit. Whoever asks before it claims leases no route that the append would give back, and
does nothing at all while the limit lets nothing through.
"""

import structlog

from publisher.domain.channel import Channel
from publisher.domain.errors import PublisherError, RedisRefused, RedisUnavailable
from publisher.domain.rate_limit import RateLimit
from publisher.publishing.batch import Batch
from publisher.streams.rate_limits import Hope, RateLimits
from storage.claiming.claims import Claim
from storage.database import Database
from storage.limits import read_limits

_log = structlog.get_logger()
# So many routes are claimed where Redis does not answer: their appends tell what is wrong, and park the channel.
_TRIED = 5


class Limiter:
    """Knows the rate limit of each channel as this process has read it last. Safe to share between threads.

    batch_size: how many routes a claim takes at most.
    """

    def __init__(self, database: Database, limits: RateLimits, batch_size: int) -> None:
        self._database = database
        self._limits = limits
        self._batch_size = batch_size
        self._known: dict[str, RateLimit | None] = {}

    def of(self, channel: Channel) -> RateLimit | None:
        """Returns the limit as it was read last; before the first time, that of the settings. None: no limit."""
        return self._known.get(channel.name, channel.rate)

    def note(self, channel: Channel, claim: Claim) -> None:
        """Remembers the limit that a claim has read."""
        self._known[channel.name] = claim.limit

    def read(self, channel: Channel) -> RateLimit | None:
        """Reads the limit, for a process that is about to ask its bucket. Raises DatabaseUnavailable.

        The bucket is filled by the limit of whoever asks. An old one would fill it too fast after the limit was
        lowered; and a process that waits for a slow one claims nothing, and would not learn that it was lifted.
        """
        set_ = read_limits(self._database).get(channel.name)
        self._known[channel.name] = channel.rate if set_ is None else set_.limit
        return self.of(channel)

    def hope(self, channel: Channel) -> Hope | None:
        """Returns how many routes may be claimed now, and how long to wait for more. None: the channel has no limit.

        Raises DatabaseUnavailable.
        """
        if self.of(channel) is None or (limit := self.read(channel)) is None:
            return None
        try:
            return self._limits.hope(channel, limit, self._batch_size)
        except (RedisUnavailable, RedisRefused) as error:
            _log.warning("a rate limit cannot be asked; a few routes are tried", channel=channel.name, error=str(error))
            return Hope(min(_TRIED, self._batch_size), limit.wait(0.0, self._batch_size))

    def forgo(self, batch: Batch) -> None:
        """Gives up the tokens that were promised to the batch and that no command took, whatever became of its routes.

        Best effort: a promise ends by itself. Where Redis did not answer, it is not asked again.
        """
        limit = self.of(batch.channel)
        if limit is None or batch.promised <= 0 or batch.is_unreachable:
            return
        try:
            self._limits.forgo(batch.channel, limit, batch.promised)
        except PublisherError as error:
            _log.debug("a promise was not given up and will end", channel=batch.channel.name, error=str(error))
