"""Logs and counts the intents, cancellations and malformed entries of one transaction of intake (R25, R26)."""

import time

import structlog

from publisher.domain.door_ids import came_at
from publisher.domain.rejection import RejectionCode
from publisher.process.telemetry import Telemetry
from storage.accepting.intents import Acceptance
from storage.malformed.recording import IncomingMalformed

_log = structlog.get_logger()


def report(accepted: Acceptance, telemetry: Telemetry) -> None:
    """Logs and counts new intents, duplicates, cancellations and malformed entries.

    An entry that came again was logged and counted by the process that committed it.
    """
    malformed = _new_malformed(accepted)
    duplicates = sum(i.entry_id not in accepted.again for i in accepted.duplicates)
    warn_of_malformed(accepted)
    conflicts = sum(m.malformed.code is RejectionCode.IDEMPOTENCY_CONFLICT for m in malformed)
    telemetry.intents("accepted", len(accepted.accepted))
    now = time.time()
    telemetry.committed(now - came_at(i.entry_id) / 1000 for i in accepted.accepted)
    telemetry.intents("duplicate", duplicates)
    telemetry.intents("conflict", conflicts)
    telemetry.intents("malformed", len(malformed) - conflicts)
    if accepted.accepted or duplicates:
        routes = sum(len(i.routes) for i in accepted.accepted)
        _log.info("intents accepted", intents=len(accepted.accepted), routes=routes, duplicates=duplicates)
    repeated = sum(c.entry_id not in accepted.again for c in accepted.known_cancellations)
    telemetry.intents("cancellation", len(accepted.cancellations))
    telemetry.intents("repeated_cancellation", repeated)
    for (channel, notification_type), count in accepted.cancelled.items():
        telemetry.cancelled(channel, notification_type, count)
    if accepted.cancellations or repeated:
        routes = sum(accepted.cancelled.values())
        _log.info("intents cancelled", cancellations=len(accepted.cancellations), repeated=repeated, routes=routes)
    elif accepted.cancelled:
        _log.info("intents were cancelled before they came", routes=sum(accepted.cancelled.values()))
    if accepted.again:
        _log.info("entries that were done and not acknowledged came again", entries=len(accepted.again))


def warn_of_malformed(accepted: Acceptance) -> None:
    """Logs each new malformed entry."""
    for rejected in _new_malformed(accepted):
        _log.warning(
            "malformed intent",
            stream_entry_id=rejected.entry_id,
            failure_code=rejected.malformed.code.value,
            failure_message=rejected.malformed.message,
        )


def _new_malformed(accepted: Acceptance) -> list[IncomingMalformed]:
    return [m for m in accepted.malformed if m.entry_id not in accepted.again]
