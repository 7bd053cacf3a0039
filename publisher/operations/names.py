"""Checks the names that an operator gave: an unknown name is an error, never a filter that matches nothing.

Types, producers and classifications begin no index, so the newest records alone tell which there are. Where those are
not all, a name that is near none of them may be on an older record: it is no error.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from publisher.domain.attempt import LEASE_EXPIRED, PAYLOAD_ENCODING_FAILED
from publisher.domain.channel import Channel
from publisher.domain.errors import BadRequest
from publisher.domain.names import near_names, no_such
from publisher.settings.settings import Settings
from storage.database import Database
from storage.ids import names
from storage.ids.names import NEWEST, NewestNames


def installed_channel(settings: Settings, name: str) -> str:
    """Returns the name if such a channel is installed. Raises BadRequest, which names the channels that are."""
    if name not in settings.channels:
        raise BadRequest(no_such("channel", name, settings.channels))
    return name


def known_classifications(channels: Mapping[str, Channel]) -> list[str]:
    """Returns the failures that a route of one of these channels can be given up for."""
    return [PAYLOAD_ENCODING_FAILED, LEASE_EXPIRED, *sorted({c.stream_failure for c in channels.values()})]


def check_channel(database: Database, settings: Settings, name: str | None) -> None:
    """Raises BadRequest for a channel that is neither installed nor on record."""
    if name is not None and name not in settings.channels and not names.channel_occurs(database, name):
        raise BadRequest(no_such("channel", name, settings.channels))


def check_classification(database: Database, settings: Settings, name: str | None) -> None:
    """Raises BadRequest for a classification that nothing has. To be called if nothing matched."""
    if name is not None:
        installed = known_classifications(settings.channels)
        _check("classification", name, names.newest_classifications(database), "dead letters", installed)


def check_type(database: Database, name: str | None) -> None:
    """Raises BadRequest for a notification type that nothing has. To be called if nothing matched."""
    if name is not None:
        _check("notification type", name, names.newest_types(database), "notifications")


def check_producer(database: Database, name: str | None) -> None:
    """Raises BadRequest for a producer that nothing has. To be called if nothing matched."""
    if name is not None:
        _check("producer", name, names.newest_producers(database), "notifications")


def unseen_type(database: Database, name: str | None) -> str | None:
    """Returns a line that no notification has this type yet, and which may be meant; None if one has, or for None."""
    return None if name is None else _unseen("type", name, names.newest_types(database))


def unseen_producer(database: Database, name: str | None) -> str | None:
    """Returns a line that no notification has this producer yet, and which may be meant; None if one has."""
    return None if name is None else _unseen("producer", name, names.newest_producers(database))


def check_recipient(ref: str | None) -> None:
    """Raises BadRequest for a text that names no recipient."""
    if ref is not None and (not ref.startswith(("user:", "address:")) or not ref.partition(":")[2].strip()):
        raise BadRequest(f"{ref!r} names no recipient: user:ID, or address:EMAIL")


def near_producers(database: Database, name: str) -> Sequence[str]:
    """Returns producers of the newest notifications that are spelled nearly so; none if it is one of them."""
    return _near(name, names.newest_producers(database).names)


def near_actions(database: Database, name: str | None) -> Sequence[str]:
    """Returns kinds of recorded actions that are spelled nearly so; none if it is one of them."""
    return [] if name is None else _near(name, names.newest_actions(database).names)


def near_operators(database: Database, name: str | None) -> Sequence[str]:
    """Returns operators of recorded actions that are spelled nearly so; none if it is one of them."""
    return [] if name is None else _near(name, names.newest_operators(database).names)


def near_streams(database: Database, settings: Settings, name: str | None) -> Sequence[str]:
    """Returns streams that intake reads, or read once, that are spelled nearly so; none if it is one."""
    if name is None:
        return []
    return _near(name, [*settings.intents_streams, settings.events_stream, *names.newest_streams(database).names])


def _near(name: str, known: Collection[str]) -> Sequence[str]:
    return [] if name in known else near_names(name, known)


def _unseen(kind: str, name: str, newest: NewestNames) -> str | None:
    if name in newest.names:
        return None
    none = "no notification has" if newest.complete else f"none of the newest {NEWEST:,} notifications has"
    near = near_names(name, newest.names)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{none} the {kind} {name!r} yet{meant}"


def _check(kind: str, name: str, newest: NewestNames, records: str, installed: Iterable[str] = ()) -> None:
    """Raises BadRequest for a name that nothing has. records: whose newest were looked at."""
    known = {*installed, *newest.names}
    if name not in known and (newest.complete or near_names(name, known)):
        among = "" if newest.complete else f" among the newest {NEWEST:,} {records}"
        raise BadRequest(no_such(kind, name, known, among))
