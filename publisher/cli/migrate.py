"""`publisher migrate`."""

from collections.abc import Sequence

import structlog

from publisher.cli.output import JsonFlag, print_json
from publisher.cli.session import opened
from storage import schema
from storage.lock_holders import LockHolder

_log = structlog.get_logger()


def migrate(json: JsonFlag = False) -> None:
    """Bring the database schema up to date.

    Safe to run twice, and from two places at once: the second waits, then finds nothing to do. Waits for a lock in
    short tries, so that the work goes on meanwhile, and says who holds it.
    """
    with opened("migrate") as (_, database):
        applied = schema.migrate(database, _say_who_holds_it)
    if json:
        print_json({"applied": applied})
    elif applied:
        print(f"applied {', '.join(applied)}")
    else:
        print("the schema is up to date")


def _say_who_holds_it(holders: Sequence[LockHolder]) -> None:
    _log.warning("the migration waits for a lock", held_by=[str(holder) for holder in holders])
