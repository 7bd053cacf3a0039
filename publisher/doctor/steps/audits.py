"""The check of the loss audits: when they ended says PostgreSQL, who runs them Redis."""

from datetime import timedelta

import redis

from publisher.doctor.checks import loss_audit
from publisher.doctor.steps.step import POSTGRESQL, Step
from publisher.doctor.verdict import Diagnosis
from publisher.domain.timeouts import audit_interval
from publisher.settings.settings import Settings
from publisher.streams.heartbeats import ProcessRegister
from storage.audit_states import audit_states
from storage.database import Database

# A worker that is silent for longer was killed, or cannot reach Redis.
_ALIVE = timedelta(seconds=15)


def of_audits(settings: Settings, database: Database, client: redis.Redis) -> list[Step]:
    """The check whether every channel is audited."""

    def look() -> Diagnosis:
        states = audit_states(database, settings.channels)
        interval = audit_interval(settings.effective_audit_window)
        asked = any(state.is_overdue(interval) for state in states.values())
        return loss_audit.audits(
            states.values(), interval=interval, working=_longest_at_work(client) if asked else None
        )

    return [Step("loss-audit", POSTGRESQL, look)]


def _longest_at_work(client: redis.Redis) -> timedelta | None:
    """How long the worker that has been up longest has been; None if none is."""
    return max(
        (
            seen.seen_at - seen.process.started_at
            for seen in ProcessRegister(client).seen()
            if seen.process.role == "worker" and seen.silent <= _ALIVE
        ),
        default=None,
    )
