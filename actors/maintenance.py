"""Runs the loss audit of a channel (R12a), for `actors.middleware.auditor` or by message."""

from collections.abc import Callable

import dramatiq

from actors.context import context
from actors.queues import EACH_CHANNEL, ChannelActor
from actors.routes import as_hint, send_scan


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL)
def audit_published(channel: str) -> None:
    """Audits the channel if that is due. Only a scheduler of an earlier release sends this message."""
    audit(channel)


def audit(channel: str, identity: Callable[[str], str] | None = None) -> None:
    """Audits the channel if that is due and no other process does, and sends a scan if commands were lost.

    identity: as LossAudit.run takes it.
    Raises RedisUnavailable, RedisRefused or DatabaseUnavailable; the next call then starts again.
    """
    if context().loss_audit.run(channel, identity):
        as_hint(send_scan, channel)
