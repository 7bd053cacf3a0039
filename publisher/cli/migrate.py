"""`publisher migrate`."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import structlog
import typer

from publisher.cli.session import opened
from publisher.cli.terminal.output import JsonFlag, print_json, say
from publisher.process.release import manager_of_release
from publisher.process.signals import interrupt_once, wait_for_signal
from storage.schema import schema
from storage.schema.lock_holders import LockHolder

_log = structlog.get_logger()


def migrate(
    stay: Annotated[
        bool | None,
        typer.Option(
            "--stay/--no-stay",
            show_default=False,
            help="Whether to stay once it is done. Otherwise it stays where its end would end other processes.",
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Bring the database schema up to date.

    Safe to run twice, and from two places at once: the second waits, then finds nothing to do. Waits for a lock in
    short tries, so that the work goes on meanwhile, and says who holds it. Needs the owner of the tables while there
    is something to apply, and else the service's own rights.

    As the process `release` of a manager that stops every process once one ends (foreman, honcho, overmind, hivemind),
    it stays until SIGTERM or Ctrl-C. hivemind and forego do not tell a process its name: under them every line that
    migrates stays.
    """
    # Also as the first process of a container, where a signal that nobody handles is lost.
    interrupt_once()
    with opened("migrate") as (_, database):
        applied = schema.migrate(database, _say_who_holds_it)
        newest = schema.newest_migration(database)
    if json:
        print_json({"applied": applied, "schema": newest})
    elif applied:
        say(f"applied {', '.join(applied)}")
    else:
        say(f"nothing to apply: the schema is at {newest}")
    manager = manager_of_release(os.environ)
    if stay or (stay is None and manager is not None):
        _stay(manager)


def _stay(manager: str | None) -> None:
    """Waits to be stopped: the manager would stop every other process once this one has ended."""
    sys.stdout.flush()
    _log.info(
        "the release is done and stays, since its manager stops every process once one ends: --no-stay ends it",
        manager=manager,
    )
    wait_for_signal()


def _say_who_holds_it(holders: Sequence[LockHolder]) -> None:
    _log.warning("the migration waits for a lock", held_by=[str(holder) for holder in holders])
