"""Runs the checks of `publisher doctor`, one after the other.

Each check stands alone: one that cannot look is unknown, and the others go on. Writes are tried, and nothing of them
stays. Every wait has an end.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from publisher.bootstrap import open_client, open_database
from publisher.doctor.checks.of_audits import of_audits
from publisher.doctor.checks.of_postgresql import of_postgresql
from publisher.doctor.checks.of_redis import of_redis
from publisher.doctor.checks.of_settings import of_settings
from publisher.doctor.step import Server, Step, Unusable
from publisher.doctor.verdict import Diagnosis, failed, unknown
from publisher.domain.errors import PublisherError, SchemaOutdated, Unavailable
from publisher.settings.settings import Settings

_STATEMENT = timedelta(seconds=5)
# Where a short lease makes short timeouts, a server that is too slow for them is told from one that is away.
_REPLY = timedelta(seconds=1)
# No check begins later than this: with the one that is running, the end is in sight.
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Check:
    """One check and how it came out."""

    name: str
    diagnosis: Diagnosis


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, each as soon as it is done. Raises nothing that a server could cause."""
    with (
        closing(open_database(settings, "doctor", _STATEMENT)) as database,
        open_client(settings, "doctor", max(settings.timeouts.redis, _REPLY)) as client,
    ):
        yield from _run(
            [
                *of_settings(settings),
                *of_postgresql(settings, database),
                *of_redis(settings, client, database),
                *of_audits(settings, database, client),
            ]
        )


def _run(steps: Sequence[Step]) -> Iterator[Check]:
    began, away = time.monotonic(), set[Server]()
    for step in steps:
        if step.asks in away:
            diagnosis = unknown(f"not looked at: see {step.asks.value}", f"mend {step.asks.value} first")
        elif time.monotonic() - began > _PATIENCE.total_seconds():
            diagnosis = unknown(
                f"not looked at: {_PATIENCE.seconds} s were over", "ask again when the servers are quicker"
            )
        else:
            diagnosis, gone = _look(step)
            if gone:
                away.add(step.asks)
        yield Check(step.name, diagnosis)


def _look(step: Step) -> tuple[Diagnosis, bool]:
    """What the check says, and whether its server is not to be asked any more."""
    try:
        return step.look(), False
    except Unusable as error:
        return error.diagnosis, True
    except SchemaOutdated as error:
        return unknown(str(error), "see schema"), False
    except Unavailable as error:
        if step.name == step.asks.value:
            return failed(str(error), f"see that {step.name} runs, and that its URL, user and network are right"), True
        return unknown(str(error), "ask again; if it stays so, see the server's log"), False
    except PublisherError as error:
        return unknown(str(error), "let this user look, or look by other means"), False
