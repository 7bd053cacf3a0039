"""One check before it runs: its name, whom it asks, and how it looks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from publisher.doctor.verdict import Diagnosis, unknown
from publisher.domain.errors import PublisherError
from publisher.settings.types import PREFIX

T = TypeVar("T")
Look = Callable[[], Diagnosis]
# Of a check that reads tables which are not there yet. The check of the schema says which migration is missing.
NEEDS_SCHEMA = unknown("not looked at: needs the schema", "mend schema first")


@dataclass(frozen=True, slots=True)
class Server:
    """Whom a check asks.

    check: the name of the check that says whether it is there at all; blank: no server is asked.
    label: the server's name in a sentence.
    variable: the setting that names it.
    """

    check: str
    label: str
    variable: str


NOBODY = Server("", "", "")
POSTGRESQL = Server("postgresql", "PostgreSQL", "DATABASE_URL")
REDIS = Server("redis", "Redis", "REDIS_URL")


def own_redis(variable: str) -> Server:
    """Returns the Redis that has streams alone. variable: the setting that names it."""
    of = variable.removeprefix(PREFIX).removesuffix("_REDIS_URL").lower().replace("_", "-")
    return Server(f"redis-{of}", f"the Redis of {variable}", variable)


class Unusable(Exception):
    """Raised by a server's own check: it answers, and nothing else is to be asked of it."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.finding)
        self.diagnosis = diagnosis


@dataclass(frozen=True, slots=True)
class Step:
    """One check. look: asks, and judges; raises what its server causes."""

    name: str
    asks: Server
    look: Look


def once(read: Callable[[], T]) -> Callable[[], T]:
    """Reads when it is first asked. Whoever asks later gets the same value, or the same error: no one waits twice."""
    outcomes: list[T | PublisherError | Unusable] = []

    def ask() -> T:
        if not outcomes:
            try:
                outcomes.append(read())
            except (PublisherError, Unusable) as error:
                outcomes.append(error)
        [outcome] = outcomes
        if isinstance(outcome, PublisherError | Unusable):
            raise outcome
        return outcome

    return ask


def refusal_of(write: Callable[[], None]) -> str | None:
    """What kept the write from being done, None where it was."""
    try:
        write()
    except PublisherError as error:
        return str(error)
    return None
