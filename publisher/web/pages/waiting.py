"""The page Waiting for you: what waits for an operator, from the newest snapshot. It asks no server."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import PublisherError
from publisher.operations.snapshot.snapshot import StoreSnapshot
from publisher.web.command_line import command_line
from publisher.web.pages.page import context_of, rendered
from storage.counts.outstanding import Waiting


@dataclass(frozen=True, slots=True)
class Row:
    """Things of one kind that wait.

    is_bound: there may be more than `count`.
    about: says more of them, in a few words; blank: there is no more to say.
    path: of the page where they are dealt with; None: the command line alone has them.
    command: lists them.
    """

    what: str
    count: int
    is_bound: bool
    newest_age: timedelta | None
    about: str
    path: str | None
    command: str


async def waiting(request: Request) -> Response:
    """Shows how many of each kind wait, and leads to where they are dealt with."""
    newest = context_of(request).history.newest()
    values: dict[str, object] = {"snapshot": None, "rows": [], "age": timedelta(0)}
    if newest is not None:
        snapshot, age = newest
        rows = [] if isinstance(snapshot.store, PublisherError) else list(_rows(snapshot.store))
        values = {"snapshot": snapshot, "age": age, "rows": rows}
    return rendered(request, "waiting.html", "Waiting for you", values)


def _rows(store: StoreSnapshot) -> Iterator[Row]:
    waits = store.outstanding
    yield _records("Dead letters", waits.dead_letters, "/waiting/dead-letters", "publisher dead-letters list")
    yield _records("Malformed intents", waits.malformed, "/waiting/malformed", "publisher malformed list")
    for channel, found in sorted(store.unanswered.items()):
        about = "" if found.oldest is None else "published, and nobody has answered in time"
        list_them = command_line("publisher routes list --unanswered", {"--channel": channel})
        path = f"/waiting/unanswered?channel={quote(channel, safe='')}"
        yield Row(f"Unanswered on {channel}", found.count, found.is_bound, None, about, path, list_them)
    newest = store.holds[-1] if store.holds else None
    yield Row(
        "Holds",
        len(store.holds),
        False,
        None if newest is None else store.at - newest.held_at,
        "" if newest is None else f"the newest by {newest.held_by}: {newest.reason}",
        "/waiting/holds",
        "publisher holds list",
    )
    yield _records("Held messages", waits.held_mail, "/waiting/holds#mail", "publisher mailer held list")
    yield _records("Losses of intents", waits.losses, None, "publisher intents losses list")


def _records(what: str, found: Waiting, path: str | None, command: str) -> Row:
    return Row(what, found.count, found.is_bound, found.newest_age, found.newest, path, command)
