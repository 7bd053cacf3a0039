"""Finds the values that an option or argument may be completed to, for a shell.

Channels are those installed, and no server is asked. Ids come from PostgreSQL, within a second: nothing if it is away.
A shell may evaluate what it is given, so an id is offered only if it consists of harmless characters.
"""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from storage.database import Database

_PATIENCE = timedelta(seconds=1)
_HARMLESS = re.compile(r"[A-Za-z0-9@._:/+,=-]+")
# The groups of commands whose ids are numbers, with the table of each.
_NUMBERED = {
    "dead-letters": "dead_letters",
    "malformed": "malformed_intents",
    "actions": "operator_actions",
    "losses": "intents_losses",
}


def channels() -> list[str]:
    """Returns the names of the installed channels."""
    from publisher.channels.registry import discover_channels

    return list(discover_channels())


def classifications() -> list[str]:
    """Returns the failures that routes of the installed channels can have."""
    from publisher.channels.registry import discover_channels
    from publisher.operations.names import known_classifications

    return known_classifications(discover_channels())


def guides() -> list[str]:
    """Returns the names of the guides."""
    from publisher.guides.shelf import NAMES

    return list(NAMES)


def watch_files() -> list[str]:
    """Returns the names of the files that watch the service."""
    from publisher.observability.shelf import NAMES

    return list(NAMES)


def types() -> list[str]:
    """Returns the types of the newest notifications."""
    from storage.ids.names import newest_types

    return _asked(lambda database: list(newest_types(database).names))


def notifications(incomplete: str) -> list[str]:
    """Returns ids of notifications."""
    from storage.ids.beginnings import notifications_that_begin

    return _asked(lambda database: notifications_that_begin(database, incomplete))


def ids(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the ids that a command takes: numbers of its own group, notifications, deliveries, idempotency keys."""
    from storage.ids.beginnings import keys_that_begin, notifications_that_begin, numbers_that_begin, routes_that_begin

    table = _NUMBERED.get(str(context.parent and context.parent.info_name))

    def find(database: "Database") -> list[str]:
        notification, slash, route = incomplete.partition("/")
        if slash:
            return [f"{notification}/{each}" for each in routes_that_begin(database, notification, route)]
        numbers = numbers_that_begin(database, table, incomplete) if table else []
        if (numbers and not incomplete) or table not in (None, "dead_letters"):
            return numbers
        keys = keys_that_begin(database, incomplete) if incomplete else []
        return [*numbers, *notifications_that_begin(database, incomplete), *keys]

    return _asked(find)


def actions(incomplete: str) -> list[str]:
    """Returns the numbers of operators' actions."""
    from storage.ids.beginnings import numbers_that_begin

    return _asked(lambda database: numbers_that_begin(database, "operator_actions", incomplete))


def route_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the route ids of the notification that stands before it."""
    from storage.ids.beginnings import routes_that_begin

    return _asked(lambda database: routes_that_begin(database, str(context.params["id_"]), incomplete))


def _asked(find: Callable[["Database"], list[str]]) -> list[str]:
    """Returns what a query finds in PostgreSQL, or nothing if it takes longer than a second."""
    found: list[str] = []
    # A thread that is given up: a name server that is silent has a longer patience, and ends for no timeout of ours.
    thread = threading.Thread(target=lambda: found.extend(_from_database(find)), daemon=True)
    thread.start()
    thread.join(_PATIENCE.total_seconds())
    return [value for value in found if _HARMLESS.fullmatch(value)]


def _from_database(find: Callable[["Database"], list[str]]) -> list[str]:
    from publisher.domain.errors import PublisherError
    from publisher.environment import load_settings
    from storage.database import Database

    try:
        database = Database(
            load_settings().database_url.text,
            application_name="publisher-completion",
            connect_timeout=_PATIENCE / 2,
            statement_timeout=_PATIENCE / 2,
        )
        try:
            return find(database)
        finally:
            database.close()
    except PublisherError:
        # The settings are missing, or PostgreSQL is away: a user who types a command is told when it runs.
        return []
