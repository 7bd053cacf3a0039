"""Publishes by message: a scan of a channel, or the publishing of given routes.

A message is a wake-up, never the record that work is due: whatever Dramatiq loses, the next scan finds (R14).
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, ParamSpec

import dramatiq
import structlog

from actors.broker import WakingBroker
from actors.context import context
from actors.queues import EACH_CHANNEL, URGENT, ChannelActor
from publisher.domain.errors import PublisherError, Unavailable
from publisher.domain.lanes import Lane
from publisher.publishing.report import Report
from publisher.streams import scan_runs
from publisher.streams.servers.connection import translated

_log = structlog.get_logger()
P = ParamSpec("P")

# Dramatiq's own limit for a delay; a longer horizon changes nothing but who wakes whom.
_LONGEST_DELAY = timedelta(days=7) - timedelta(minutes=1)


class RouteDeadLettered(Exception):
    """Routes are dead letters in PostgreSQL, so that Dramatiq dead-letters their message too.

    Named in `throws`: expected, not retried, and shown by every tool that shows Dramatiq's dead letters.
    """


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL, throws=RouteDeadLettered)
def scan_due_routes(channel: str, run: str | None = None) -> None:
    """Publishes a batch of the channel's due routes, and sends itself again while there are more.

    run: the id of an ad-hoc scan that an operator waits for (see `scan_runs`), or None.
    """
    context().scans.extend(channel, context().silence)
    told: list[bool] = []
    report = context().publisher.publish_due(channel, on_more=lambda: told.append(as_hint(send_scan, channel, run)))
    if report.given_back and not told:
        # Another worker takes it at once: a process that stops takes no more messages.
        _pass_on(channel, run)
    if run is not None:
        # Only now: a scan that failed is repeated, and is not done before that.
        scan_runs.finish(
            context().redis,
            run,
            published=report.published,
            rescheduled=len(report.rescheduled),
            dead_lettered=len(report.dead_lettered),
        )
    expire(channel, is_busy=report.more)
    follow_up(channel, report)


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL, throws=RouteDeadLettered)
def publish_within_limit(channel: str) -> None:
    """Publishes a batch of a channel with a rate limit, at the time when the limit lets one through (R30).

    Beside the scans: it ends no overdue routes, and no worker takes it for the scan of a scheduler (R14a).
    """
    report = context().publisher.publish_due(channel, on_more=lambda: as_hint(send_scan, channel))
    follow_up(channel, report)


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL, throws=RouteDeadLettered)
def publish_routes(channel: str, ids: Sequence[int], handover: str | None = None) -> None:
    """Publishes those of these routes that are due and not leased; leaves the others alone (R5).

    handover: the token of the handover that leases them to the worker that gets this message, or None.
    """
    report = context().publisher.publish_these(channel, ids, handover)
    if report.more:
        as_hint(send_scan, channel)
    follow_up(channel, report, retry_this_message=True)


def send_scan(channel: str, run: str | None = None) -> None:
    """Enqueues a scan of the channel. A scan that waits too long is dropped, since a later one does its work.

    Raises RedisUnavailable or RedisRefused.
    """
    if run is not None:
        scan_runs.begin(context().redis, run)
        # An operator waits for it, so it is never dropped.
        with translated():
            scan_due_routes.send(channel, run)
        return
    max_age = context().scan_interval * 3
    with translated():
        scan_due_routes.send_with_options(args=(channel,), max_age=round(max_age.total_seconds() * 1000))


def _pass_on(channel: str, run: str | None) -> None:
    """Sends the scan again. If an operator waits for it, it fails where it cannot be sent, and is repeated."""
    if run is None:
        as_hint(send_scan, channel)
    else:
        send_scan(channel, run)


def send_publish(
    channel: str,
    ids: Sequence[int],
    delay: timedelta | None = None,
    handover: str | None = None,
    *,
    urgent: bool = False,
) -> None:
    """Enqueues the publishing of these routes, at once or after the delay.

    urgent: before every message that waits, and a worker takes it before those that it has fetched.
    Raises RedisUnavailable or RedisRefused.
    """
    milliseconds = None if delay is None else round(delay.total_seconds() * 1000)
    named = () if handover is None else (handover,)
    with translated():
        options: dict[str, Any] = {URGENT: True} if urgent else {}
        publish_routes.send_with_options(args=(channel, list(ids), *named), delay=milliseconds, **options)


def look_again(channel: str, wait: timedelta) -> None:
    """Has the channel looked at again after the wait: by one message for all workers, whoever asks.

    A scan comes before a longer wait than the scan interval is over, and one follows where this message is lost.
    """

    def send() -> None:
        if context().next_looks.acquire(channel, wait):
            milliseconds = round(wait.total_seconds() * 1000)
            max_age = milliseconds + round(context().scan_interval.total_seconds() * 3000)
            with translated():
                publish_within_limit.send_with_options(args=(channel,), delay=milliseconds, max_age=max_age)

    if wait < context().scan_interval:
        as_hint(send)


def tell_workers(news: Iterable[tuple[str, str, Sequence[int]]], handover: str | None = None) -> bool:
    """Enqueues the publishing of new routes, in one round trip: a message of route keys for each channel and lane.

    Bulk routes get one scan of their channel: it claims them where there is room (see `publisher.publishing.sharing`).
    False if that failed, which loses nothing: the next scan finds them.
    """

    def send() -> None:
        broker = dramatiq.get_broker()
        with broker.together() if isinstance(broker, WakingBroker) else nullcontext():
            scanned = set()
            for channel, lane, ids in news:
                if lane != Lane.BULK:
                    send_publish(channel, ids, handover=handover, urgent=lane == Lane.URGENT)
                elif channel not in scanned:
                    scanned.add(channel)
                    send_scan(channel)

    return as_hint(send)


def waiting(channel: str) -> int:
    """Returns how many messages waited in the channel's queue when this process last put one there."""
    broker = dramatiq.get_broker()
    return broker.waiting.get(channel, 0) if isinstance(broker, WakingBroker) else 0


def as_hint(send: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> bool:
    """Calls `send`, and goes on if that fails: the next scan finds the routes (R14). Returns True if it was sent."""
    try:
        send(*args, **kwargs)
    except PublisherError as error:
        _log.warning("a message was not sent; the next scan does without it", error=error)
        return False
    return True


def follow_up(channel: str, report: Report, *, retry_this_message: bool = False) -> None:
    """Maps the result of a batch onto Dramatiq.

    Routes that are due again within the retry horizon get a message for that time. The scan finds the others: Dramatiq
    keeps delayed messages in a worker's memory. A channel whose routes wait for its rate limit is looked at again.
    Raises dramatiq.Retry if this message itself may be the retry, and RouteDeadLettered if routes became dead letters.
    """
    if report.wait is not None:
        look_again(channel, report.wait)
    retries = _by_delay(report.rescheduled, min(context().retry_horizon, _LONGEST_DELAY))
    itself = retries.pop(0) if retries and retry_this_message and not report.dead_lettered else None
    _send_retries(channel, retries)
    if report.dead_lettered:
        raise RouteDeadLettered(f"{len(report.dead_lettered)} routes: {list(report.dead_lettered[:20])}")
    if itself is not None:
        raise dramatiq.Retry(delay=round(itself[0].total_seconds() * 1000))


def _by_delay(rescheduled: Iterable[tuple[int, timedelta]], horizon: timedelta) -> list[tuple[timedelta, list[int]]]:
    """Groups route keys by the time until they are due again, the soonest first."""
    groups: dict[timedelta, list[int]] = {}
    for id_, delay in rescheduled:
        if delay <= horizon:
            groups.setdefault(delay, []).append(id_)
    return sorted(groups.items())


def _send_retries(channel: str, retries: Iterable[tuple[timedelta, list[int]]]) -> None:
    """Sends a message for each delay, until one cannot be sent.

    With jitter there are as many messages as routes, and each further one would wait as long for the same Redis. The
    scan finds the other routes.
    """
    for delay, ids in retries:
        context().watchdog.beat()
        if not as_hint(send_publish, channel, ids, delay):
            return


def expire(channel: str, *, is_busy: bool = False) -> None:
    """Ends routes that are past their deadline, or to be cancelled. If that fails, the next scan does it.

    is_busy: other routes of the channel are due. One batch is ended, and at most one a second, so that neither the
    routes to be ended nor the others wait until none of the others is left.
    """
    if is_busy and not context().busy_endings.is_time(channel):
        return
    try:
        while not context().stopping.is_set() and context().publisher.end_routes(channel) and not is_busy:
            context().watchdog.beat()
    except Unavailable as error:
        _log.warning("routes past their deadline, or to be cancelled, are ended later", channel=channel, error=error)


def drain(channel: str) -> None:
    """Publishes a channel's routes in this thread, until none is due or the process is told to stop (R14a)."""
    more = True
    while more and not context().stopping.is_set():
        context().scans.extend(channel, context().silence)
        report = context().publisher.publish_due(channel)
        _send_retries(channel, _by_delay(report.rescheduled, min(context().retry_horizon, _LONGEST_DELAY)))
        more = report.more
        if report.wait is not None:
            look_again(channel, report.wait)
        expire(channel, is_busy=more)
