"""Answers producers' cancellations whose routes have all ended (R28)."""

import structlog

from storage.cancelling.cancellations import answer_cancellations
from storage.database import Database

_log = structlog.get_logger()


def answer(database: Database) -> None:
    """Answers each of them once, and logs the answers. Raises DatabaseUnavailable."""
    for answered in answer_cancellations(database):
        _log.info(
            "cancellation answered",
            notification_id=answered.notification_id,
            producer=answered.producer,
            idempotency_key=answered.idempotency_key,
            cancelled=answered.cancelled,
            published=answered.published,
            otherwise=answered.otherwise,
        )
