"""Runs the checks of `publisher doctor`, one after the other.

Each check stands alone: one that cannot look is unknown, and the others go on. Writes are tried, and nothing of them
stays. Every wait has an end.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from publisher.doctor.steps.audits import of_audits
from publisher.doctor.steps.postgresql import of_postgresql
from publisher.doctor.steps.redis import of_redis
from publisher.doctor.steps.settings import of_settings
from publisher.doctor.steps.step import NEEDS_SCHEMA, NOBODY, Server, Step, Unusable
from publisher.doctor.verdict import Diagnosis, failed, unknown
from publisher.domain.errors import PublisherError, SchemaOutdated, Unavailable
from publisher.settings.settings import Settings
from publisher.streams.servers.stream_servers import StreamServers
from storage.database import Database

# How long a check waits for PostgreSQL.
STATEMENT = timedelta(seconds=5)
_REPLY = timedelta(seconds=1)
# No check begins later than this: with the one that is running, the end is in sight.
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Check:
    """One check and how it came out."""

    name: str
    diagnosis: Diagnosis


def examine(
    settings: Settings,
    database: Database,
    servers: StreamServers,
    read_procfile: Callable[[], Mapping[str, str]],
    greet_mail_server: Callable[[], Diagnosis],
) -> Iterator[Check]:
    """Yields every check, each as soon as it is done. Raises nothing that a server could cause.

    database, servers: opened with the timeouts STATEMENT and `reply_timeout`.
    read_procfile: reads the commands of the processes that a deployment runs, by name.
    greet_mail_server: greets the SMTP server, and judges it; it raises nothing.
    """
    yield from _run(
        [
            *of_settings(settings),
            *of_postgresql(settings, database, read_procfile),
            *of_redis(settings, servers, database),
            *of_audits(settings, database, servers.hints),
            Step("mail-server", NOBODY, greet_mail_server),
        ]
    )


def reply_timeout(settings: Settings) -> timedelta:
    """How long a check waits for Redis. A short lease makes short timeouts: a slow server is told from one away."""
    return max(settings.timeouts.redis, _REPLY)


def _run(steps: Sequence[Step]) -> Iterator[Check]:
    began, away = time.monotonic(), set[Server]()
    for step in steps:
        if step.asks in away:
            diagnosis = unknown(f"not looked at: needs {step.asks.label}", f"mend {step.asks.check} first")
        elif time.monotonic() - began > _PATIENCE.total_seconds():
            diagnosis = unknown(
                f"not looked at: {_PATIENCE.seconds} s were over", "ask again when the servers are quicker"
            )
        else:
            diagnosis, gone = _run_check(step)
            if gone:
                away.add(step.asks)
        yield Check(step.name, diagnosis)


def _run_check(step: Step) -> tuple[Diagnosis, bool]:
    """Runs the check. Returns its diagnosis, and true if its server must not be asked again."""
    try:
        return step.look(), False
    except Unusable as error:
        return error.diagnosis, True
    except SchemaOutdated:
        return NEEDS_SCHEMA, False
    except Unavailable as error:
        if step.name == step.asks.check:
            return failed(str(error), f"mend that first: nothing more of {step.asks.label} can be looked at"), True
        return unknown(str(error), "ask again; if it stays so, see the server's log"), False
    except PublisherError as error:
        return unknown(str(error), "let this user look, or look by other means"), False
