"""Says which dead letters a command is for: one by its id, those that match the options, or the rest of an action."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

import typer

from publisher.cli.completion import candidates
from publisher.cli.ids import place
from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.domain.errors import BadRequest, NotFound
from publisher.domain.instants import readable
from publisher.operations.changes.requeue import DeadLetterFilter
from publisher.operations.dead_letters import dead_letters_of
from publisher.operations.ids.resolution import NamedKind
from publisher.settings.settings import Settings
from storage.database import Database

ClassificationOption = Annotated[
    str | None,
    typer.Option(
        "--classification",
        metavar="REASON",
        autocompletion=candidates.classifications,
        help="Only those given up for this, e.g. payload_encoding_failed.",
    ),
]
SinceOption = Annotated[
    datetime | None,
    since_option("given up"),
]
UntilOption = Annotated[
    datetime | None,
    until_option("given up"),
]


def chosen(
    settings: Settings,
    database: Database,
    matching: DeadLetterFilter,
    id_: str | None,
    route_id: str | None,
    *,
    all_: bool,
    resume: str | None,
    command: str,
) -> DeadLetterFilter:
    """Adds the route or the dead letter that the id names to the filter of the options.

    command: the command line so far, for the choice that is shown where an id names several places.
    Raises BadRequest unless the command line says which dead letters, or which action to resume, and not both.
    """
    if id_ is not None:
        named = place(settings, database, id_, route_id, command=command, own=NamedKind.DEAD_LETTER)
        matching = replace(
            matching, notification_id=named.notification_id, route_id=named.route_id, id=named.dead_letter
        )
    any_chosen = all_ or matching != DeadLetterFilter()
    if resume is not None and any_chosen:
        raise BadRequest("--resume takes its dead letters from the action: give no others")
    if resume is None and not any_chosen:
        raise BadRequest("name a route, or say which dead letters: --channel, --type, --classification, --since, --all")
    return matching


def none_waits(database: Database, id_: str, matching: DeadLetterFilter) -> NotFound:
    """Returns the error for an id of which no dead letter waits: who requeued or discarded the newest, and when.

    matching: as `chosen` returned it for this id. Raises NotFound if it has no dead letter at all.
    """
    newest = dead_letters_of(database, str(matching.notification_id), matching.route_id, matching.id)[0]
    if newest.requeued_at is not None:
        why = f": {newest.requeued_by} requeued dead letter {newest.id} at {readable(newest.requeued_at)}"
    elif newest.discarded_at is not None:
        why = f": {newest.discarded_by} discarded dead letter {newest.id} at {readable(newest.discarded_at)}"
    else:
        why = " and matches the options"
    return NotFound(f"{id_} has no dead letter that waits{why}")


def letters(count: int) -> str:
    """Words a number of dead letters."""
    return f"{count:,} dead letter{'' if count == 1 else 's'}"
