"""Ends routes without a command so that none can follow: a tombstone stands in the place of the witness (R12).

A worker that was paused between its claim and its append, longer than its lease, appends late. Its route may have
expired, been cancelled or become a dead letter meanwhile: the tombstone makes that append a refusal. A route whose
command turns out to stand already is published instead.
"""

from collections.abc import Callable

import structlog

from publisher.domain.attempt import DeadLettered, Outcome, Published, without_attempt
from publisher.domain.errors import PublisherError
from publisher.domain.notification import Route
from publisher.publishing.batch import Batch
from publisher.streams.append_result import OVER, dead
from publisher.streams.outbound import OutboundStreams
from publisher.streams.witnesses import WitnessOf

_log = structlog.get_logger()


def end_without_attempt(streams: OutboundStreams, batch: Batch) -> None:
    """Decides the outcome of each route of the batch: past its deadline, or to be cancelled.

    Those that end without a command have a tombstone. Nothing is decided of those of a partition that is away: the
    others need not wait for it.
    Raises RedisUnavailable or RedisRefused; then nothing is decided.
    """
    routes = [claimed.route for claimed in batch.claim.routes]
    asked = [_of(route, route.stream or batch.channel.address) for route in routes]
    ended = streams.end_within_reach(asked, [OVER] * len(routes))
    batch.outcomes += [without_attempt(routes[at], entry_id) for at, entry_id in sorted(ended.items())]


def end_dead_letters(streams: OutboundStreams, batch: Batch, beat: Callable[[], object]) -> None:
    """Leaves a tombstone for each dead letter of the batch. One whose command stands is published instead.

    The tombstone says which life of the route has ended: after a requeue it holds nothing back. Best effort.
    beat: called before Redis is asked.
    """
    dead_letters = [outcome for outcome in batch.outcomes if isinstance(outcome, DeadLettered)]
    today = batch.channel.address
    # Its command may stand on the stream of an earlier attempt as well.
    asked = [(o.route, stream) for o in dead_letters for stream in dict.fromkeys((o.route.stream or today, today))]
    if not asked:
        return
    beat()
    try:
        entries = streams.end(
            [_of(route, stream) for route, stream in asked], [dead(route.requeues) for route, _ in asked]
        )
    except PublisherError as error:
        _log.warning("dead letters have no tombstones", channel=batch.channel.name, error=str(error))
        return
    published: dict[int, Outcome] = {}
    for (route, _), entry_id in zip(asked, entries, strict=True):
        if entry_id is not None:
            published.setdefault(route.id, Published(route, entry_id))
    batch.outcomes = [published.get(outcome.route.id, outcome) for outcome in batch.outcomes]


def _of(route: Route, stream: str) -> WitnessOf:
    return stream, route.delivery_id, route.replay
