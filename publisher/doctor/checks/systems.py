"""Whether one system alone uses this Redis and database number."""

from collections.abc import Sequence

from publisher.doctor.verdict import Diagnosis, failed, ok
from publisher.operations.wording import names


def alone(others: Sequence[str]) -> Diagnosis:
    """Two systems on one Redis take each other's intents and messages. others: living processes of another, by name."""
    if others:
        return failed(
            f"another system's processes use this Redis and database number: {names(others)}",
            "give one of them another number or another Redis in REDIS_URL; if the database was moved or restored, stop"
            " the processes that use the old one: half a minute later they are forgotten",
        )
    return ok("no process of another system uses this Redis and database number")
