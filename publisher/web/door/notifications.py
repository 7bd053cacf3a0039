"""`GET /v1/notifications/{id}`: what became of a notification, as `publisher trace --json` shows it."""

import uuid
from dataclasses import asdict

from starlette.requests import Request

from publisher.operations.explain.cancellation_answer import answer_of
from publisher.operations.ids.resolution import IntentsStream
from publisher.operations.trace.history_fields import notification_fields
from publisher.operations.trace.route_history import notification_histories
from publisher.operations.trace.trace import with_outcomes
from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from publisher.web.door.problems import Problem
from publisher.web.door.serving import Answer
from storage.cancelling.cancellation_records import cancellations_of
from storage.database import Database
from storage.notifications import notifications_of_ids
from storage.tokens import TokenRecord

_ROUTES, _MOST_ROUTES = 20, 1_000


class Notifications:
    """Shows them, each to its own producer alone. Safe to share between threads."""

    def __init__(self, database: Database, servers: StreamServers, settings: Settings) -> None:
        """servers: for what became of the commands. Where Redis does not answer, that is said in its place (R35)."""
        self._database = database
        self._channels = settings.channels
        self._streams = IntentsStream.of(settings, lambda: servers)

    def get(self, sender: TokenRecord, request: Request) -> Answer:
        """Returns what is on record. Raises Problem 404 for what the sender has not, and Unavailable.

        A pruned notification has left its key, and nobody knows whose: it is as one that never was.
        """
        limit = _limit(request.query_params.get("limit"))
        id_ = _notification_id(request.path_params["notification_id"])
        cancellation = cancellations_of(self._database, [id_]).get(id_)
        if cancellation is not None and cancellation.producer != sender.producer:
            raise _unknown()
        answered = cancellation and asdict(cancellation) | {"answer": answer_of(cancellation)}
        for found in notifications_of_ids(self._database, [id_]):
            if found.producer != sender.producer:
                raise _unknown()
            recorded = notification_histories(self._database, self._channels, [found], limit=limit)
            [history] = with_outcomes(recorded, self._streams)
            return Answer(200, notification_fields(history) | {"cancellation": answered})
        if cancellation is None:
            raise _unknown()
        named = {"notification_id": id_, "producer": sender.producer, "idempotency_key": cancellation.idempotency_key}
        return Answer(200, {"kind": "cancellation", **named, "cancellation": answered})


def _notification_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise _unknown() from error


def _limit(text: str | None) -> int:
    if text is None:
        return _ROUTES
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _MOST_ROUTES:
        raise Problem(422, f"limit must be a number from 1 to {_MOST_ROUTES:,}", "invalid_field", "limit")
    return int(text)


def _unknown() -> Problem:
    return Problem(404, "this token's producer has no such notification, or it was pruned", "not_found")
