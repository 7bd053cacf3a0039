"""Keeps a route's command to one stream where the channel's stream was renamed, partitioned or moved (R12).

An attempt that was cut off after its append leaves a command of which only the witness tells. The witness belongs to
the stream that the channel had then, and the route keeps that stream's name (see `storage.claiming.leases`). Nearly all
routes have the channel's own stream: they cost nothing here.

A worker of before may be paused right before its append, for longer than its lease. So a tombstone is left on a
route's stream before the route moves on: that late append finds it. Processes of both addresses may work side by side,
and a route may come back. So each move has an instant, from PostgreSQL while the lease is held, and an append goes
through unless its route was moved away since. Whoever is refused asks PostgreSQL whether it still holds the route.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.domain.notification import Route
from publisher.publishing.batch import Batch
from publisher.streams.append_result import Appended, AppendResult, Moved, NotAppended, of_partition
from publisher.streams.outbound import Delivery, OutboundStreams
from storage.claiming import leases
from storage.database import Database

Deliveries = list[tuple[Route, Delivery]]


def settle_on_earlier_streams(
    database: Database, streams: OutboundStreams, batch: Batch, deliveries: Deliveries
) -> tuple[list[tuple[Route, AppendResult]], Deliveries]:
    """Splits the deliveries into those that have a result, and those that are to be appended to the channel's stream.

    A delivery whose command stands on its route's earlier stream has that entry as its result. Any other is ended
    there, and says when its route was moved. Redis unreachable at that look is the result of an append that did not
    reach it (R7). A route whose lease is lost is in neither part.
    Raises DatabaseUnavailable.
    """
    today = batch.channel.address
    earlier = [route for route, _ in deliveries if route.stream not in (None, today)]
    if not earlier:
        return [], deliveries
    held = leases.held_at(database, batch.claim.token, [route.id for route in earlier])
    moving = [(route, delivery) for route, delivery in deliveries if route.id in held]
    others = _without(deliveries, {route.id for route in earlier})
    try:
        entries = _leave(streams, moving, max(held.values(), default=0))
    except (RedisUnavailable, RedisRefused) as error:
        unreachable = isinstance(error, RedisUnavailable)
        refusal = NotAppended(str(error), channels_fault=True, unreachable=unreachable)
        return [(route, of_partition(batch.channel, refusal)) for route, _ in moving], others
    standing: list[tuple[Route, AppendResult]] = [
        (route, Appended(entry_id, first=False))
        for (route, _), entry_id in zip(moving, entries, strict=True)
        if entry_id is not None
    ]
    absent = _without(moving, {route.id for route, _ in standing})
    ids = [route.id for route, _ in absent]
    moved = leases.move_to_stream(database, batch.claim.token, ids, today) if ids else set()
    return standing, [*others, *_moved(absent, {id_: held[id_] for id_ in moved})]


def appended_if_still_held(
    database: Database,
    batch: Batch,
    deliveries: Deliveries,
    results: Sequence[AppendResult],
    append: Callable[[Sequence[Delivery]], Sequence[AppendResult]],
) -> list[AppendResult]:
    """Returns the results, those that are Moved appended again if the batch still holds their routes.

    Somebody had begun to move such a route away and did not end that, or has brought it back.
    append: appends deliveries. Raises DatabaseUnavailable.
    """
    refused = [at for at, result in enumerate(results) if isinstance(result, Moved)]
    held = leases.held_at(database, batch.claim.token, [deliveries[at][0].id for at in refused])
    mine = [at for at in refused if deliveries[at][0].id in held]
    again = append([delivery for _, delivery in _moved([deliveries[at] for at in mine], held)])
    instead = dict(zip(mine, again, strict=False))
    return [instead.get(at, result) for at, result in enumerate(results)]


def _leave(streams: OutboundStreams, moving: Deliveries, at: int) -> list[str | None]:
    return streams.leave([(route.stream or "", d.delivery_id, route.replay) for route, d in moving], at)


def _moved(deliveries: Deliveries, moved_at: dict[int, int]) -> Deliveries:
    return [
        (route, replace(delivery, moved_at=moved_at[route.id]))
        for route, delivery in deliveries
        if route.id in moved_at
    ]


def _without(deliveries: Deliveries, ids: set[int]) -> Deliveries:
    return [(route, delivery) for route, delivery in deliveries if route.id not in ids]
