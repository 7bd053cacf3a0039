"""What is known of an SMTP server: whether it is away, and how many connections it takes (R33)."""

import asyncio
from datetime import timedelta

import structlog

from publisher.domain.backoff import Backoff
from publisher.domain.errors import MailServerUnavailable
from publisher.process.outages import Server, outages

_log = structlog.get_logger()
# However long the server was away, it is asked again within ten seconds of its return.
_AWAY = Backoff(timedelta(milliseconds=250), timedelta(seconds=10))
# So long it is believed that a server takes no more connections than it has of us.
_FULL_SECONDS = 10.0


class Availability:
    """What the connections to one server have told of it. Used by one event loop alone.

    A server that refuses a connection beside busy ones is full, not away: those carry the other messages.
    """

    def __init__(self, connections: int) -> None:
        """Nothing is known yet. connections: how many the settings would open."""
        self._failures = 0
        self._away_until = 0.0
        self._trouble: str | None = None
        # How many connections the server takes, and until when that is believed.
        self._most = connections
        self._full_until = 0.0

    @property
    def trouble(self) -> str | None:
        """Why the server is away, for people; None: it is not, as far as is known."""
        return self._trouble

    @property
    def is_away(self) -> bool:
        """Whether it failed the last time that it was used."""
        return self._failures > 0

    def may_take_another(self, busy: int) -> bool:
        """Whether a connection may be opened beside so many busy ones: not within a pause, nor while it is full."""
        now = asyncio.get_running_loop().time()
        is_full = busy >= self._most and now < self._full_until
        return now >= self._away_until and not is_full

    def answered(self) -> None:
        """Notes that the server works: it has answered a message, whatever it said."""
        self._failures, self._trouble = 0, None
        outages.answered(Server.SMTP)

    def refused(self, error: MailServerUnavailable, busy: int) -> None:
        """Notes that a connection beside so many busy ones could not be opened."""
        if busy:
            self._found_full(error, busy)
        else:
            self.failed(error)

    def failed(self, error: MailServerUnavailable) -> None:
        """Notes that the server is away. It is not asked again before a pause, which grows up to ten seconds."""
        self._failures += 1
        self._trouble = str(error)
        pause = _AWAY.delay(self._failures, 0.0).total_seconds()
        self._away_until = asyncio.get_running_loop().time() + pause
        _log.warning("no mail can be sent", error=error)

    def _found_full(self, error: MailServerUnavailable, busy: int) -> None:
        now = asyncio.get_running_loop().time()
        # Said once: of a server that goes away the connections end one after the other.
        if busy != self._most and now >= self._full_until:
            _log.warning("the SMTP server takes no more connections", connections=busy, error=str(error))
        self._most, self._full_until = busy, now + _FULL_SECONDS
