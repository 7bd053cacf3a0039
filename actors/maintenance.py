"""The loss audit in a worker (R12a): by itself at intervals (`actors.middleware.auditor`), or by message."""

import dramatiq

from actors.context import context
from actors.queues import EACH_CHANNEL, ChannelActor
from actors.routes import as_hint, send_scan


@dramatiq.actor(actor_class=ChannelActor, queue_name=EACH_CHANNEL)
def audit_published(channel: str) -> None:
    """Audits the channel, if that is due. A clock of the release before sends this; no audit waits for a message."""
    audit(channel)


def audit(channel: str) -> None:
    """Audits the channel if that is due and nobody else is at it, and has what was lost published at once.

    Raises RedisUnavailable, RedisRefused or DatabaseUnavailable: then the next call looks at everything again.
    """
    if context().loss_audit.run(channel):
        as_hint(send_scan, channel)
