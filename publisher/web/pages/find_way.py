"""Reads what an id leads to for the page Find, so that a Redis that hangs takes nothing else from the page (R35)."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NoReturn

from publisher.domain.errors import BadRequest, NotFound, PublisherError, RedisUnavailable, Unavailable
from publisher.operations.ids.forms import cleaned, forms
from publisher.operations.ids.resolution import IntentsStream
from publisher.operations.payloads import Payload, payloads
from publisher.operations.trace.trace import Trace, trace, with_outcomes
from publisher.streams.servers.stream_servers import StreamServers
from publisher.web.context import WebContext
from publisher.web.reading import BUDGET
from storage.notifications import NotificationRecord

# Of so many notifications the routes are shown: an idempotency key can have one of each producer.
_HISTORIES = 10


@dataclass(frozen=True, slots=True)
class Way:
    """What an id leads to, as it is shown. payloads: by notification id."""

    trace: Trace
    payloads: Mapping[str, Payload]

    @property
    def notification_ids(self) -> Sequence[str]:
        """The notifications whose routes and payloads are shown."""
        return list(self.payloads)

    @property
    def more(self) -> Sequence[NotificationRecord]:
        """The notifications of which nothing else is shown."""
        return self.trace.found.notifications[_HISTORIES:]


# What an id leads to, or the error that says what it is instead.
Found = Way | PublisherError


class WayReading:
    """Reads one id in two threads: `recorded` what PostgreSQL knows, `whole` that and what Redis knows besides.

    The second waits for the first, and reads again only what Redis may change: an id of an entry.
    """

    def __init__(self, context: WebContext, id_: str, producer: str | None, routes: int) -> None:
        """Reads nothing yet. routes: how many of each notification are read at most."""
        self._context = context
        self._id = id_
        self._producer = producer
        self._routes = routes
        self._recorded: Future[Found] = Future()

    def recorded(self) -> Found:
        """Returns what PostgreSQL knows. Raises what PostgreSQL causes, and Unavailable if Redis alone may know it."""
        try:
            found = self._read(self._intents(_not_asked))
        except BaseException as error:
            self._recorded.set_exception(error)
            raise
        self._recorded.set_result(found)
        return found

    def whole(self) -> Found:
        """Returns what both know. Raises what PostgreSQL causes, and Unavailable if Redis alone may know it."""
        intents = self._intents(lambda: self._context.servers)
        try:
            found = self._recorded.result(BUDGET.total_seconds())
        except RedisUnavailable:
            return self._read(intents)
        except TimeoutError as error:
            raise Unavailable("PostgreSQL did not answer in time") from error
        if isinstance(found, Way) and found.trace.found.unread is None:
            histories = with_outcomes(found.trace.histories, intents)
            return replace(found, trace=replace(found.trace, histories=histories))
        of_entry = any(forms(text).entry_id for text in (self._id, cleaned(self._id)))
        return self._read(intents) if of_entry or isinstance(found, Way) else found

    def _read(self, intents: IntentsStream) -> Found:
        database = self._context.shown
        try:
            traced = trace(database, intents, self._id, self._producer, limit=self._routes, most=_HISTORIES)
        except (BadRequest, NotFound) as error:
            return error
        ids = dict.fromkeys(history.notification.notification_id for history in traced.histories)
        return Way(traced, payloads(database, list(ids)))

    def _intents(self, connect: Callable[[], StreamServers]) -> IntentsStream:
        return IntentsStream.of(self._context.settings, connect)


def _not_asked() -> NoReturn:
    raise RedisUnavailable("Redis did not answer in time")
