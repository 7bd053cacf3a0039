"""Records lost intents in PostgreSQL, where `doctor` and operators see them. They are noticed in Redis."""

import redis
import structlog

from publisher.domain.loss import LossCause
from publisher.process.telemetry import Telemetry
from publisher.streams.intents_losses import NoticedLoss, forget_loss, noticed_losses
from storage.accepting.losses import record_loss, unrecorded
from storage.database import Database

_log = structlog.get_logger()


def record_losses(database: Database, client: redis.Redis, stream: str, telemetry: Telemetry) -> None:
    """Records, counts and logs every loss that was noticed on the stream. May be repeated: each is recorded once.

    Raises RedisUnavailable, RedisRefused, or as Database does. The losses that remain are recorded by the next call.
    """
    for loss in noticed_losses(client, stream):
        _record(database, stream, loss, telemetry)
        forget_loss(client, stream, loss)


def _record(database: Database, stream: str, loss: NoticedLoss, telemetry: Telemetry) -> None:
    entries = loss.entries
    if loss.cause is LossCause.PENDING:
        # A consumer may have committed an entry, and have died before it acknowledged it.
        entries = len(unrecorded(database, stream, loss.ids))
    if entries == 0 or not record_loss(database, stream, loss.cause, loss.after_id, loss.before_id, entries):
        return
    telemetry.intents("trimmed", entries or 1)
    _log.error(
        "intents were trimmed from the stream unread: lost",
        stream=stream,
        cause=loss.cause.value,
        entries=entries,
        after=loss.after_id,
        before=loss.before_id,
    )
