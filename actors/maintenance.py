"""Maintenance by message: the loss audit (R12a)."""

from datetime import timedelta

import dramatiq
import structlog

from actors.context import Context, context
from actors.routes import ChannelActor, as_hint, send_scan
from publisher.streams.connection import translated
from storage import audits

_log = structlog.get_logger()
_PAGE = 1000


@dramatiq.actor(actor_class=ChannelActor, queue_name="email")
def audit_published(channel: str) -> None:
    """Returns to pending every route whose command Redis lost (R12a).

    Looks at each route of the window when Redis's identity has changed since the last look, and otherwise
    twice a window. A witness outlives the window, so one that is missing was lost, and its command with it.
    """
    service = context()
    last = audits.last_audit(service.database, channel)
    identity = service.streams.identity(service.channels[channel])
    if last and last.redis_identity == identity and last.age < service.audit_window / 2:
        return
    if last and last.redis_identity != identity:
        _log.warning("redis was restarted, replaced or emptied: auditing", channel=channel)
    lost = _return_lost(service, channel)
    audits.record_audit(service.database, channel, identity)
    if lost:
        service.telemetry.lost(channel, lost)
        as_hint(send_scan, channel)


def send_audit(channel: str) -> None:
    """Enqueues an audit of the channel, if there are any; one that waits too long is dropped. Raises as `send_scan`."""
    if context().audit_window <= timedelta(0):
        return
    max_age = max(context().scan_interval * 3, timedelta(seconds=30))
    with translated():
        audit_published.send_with_options(args=(channel,), max_age=round(max_age.total_seconds() * 1000))


def _return_lost(service: Context, channel: str) -> int:
    count, after = 0, None
    while page := audits.published_within(service.database, channel, service.audit_window, after=after, limit=_PAGE):
        service.progress.beat()
        stream = service.channels[channel].stream
        entries = service.streams.witnesses([(r.stream or stream, r.delivery_id, r.replay) for r in page])
        lost = [route for route, entry in zip(page, entries, strict=True) if entry is None]
        returned = audits.return_lost(service.database, lost)
        for route in lost:
            if route.id in returned:
                _log.warning(
                    "route's command was lost by redis and is published again",
                    delivery_id=route.delivery_id,
                    channel=channel,
                    stream_entry_id=route.stream_entry_id,
                )
        count, after = count + len(returned), page[-1]
    return count
