"""Whether the commands are read: the consumer groups of each channel's stream, and what dead consumers hold (R27)."""

from collections.abc import Callable, Iterable, Iterator
from shlex import quote

from publisher.doctor.checks.intents import held
from publisher.doctor.verdict import Diagnosis, together, unknown, warning
from publisher.domain.errors import PublisherError, Unavailable
from publisher.operations.channels.readers import CommandReaders
from publisher.operations.wording import names, span
from publisher.streams.groups import Group

_AWAY = "mend its Redis first"
_LET_LOOK = "let this user look: publisher doctor --print-grants"


def groups(channels: Iterable[CommandReaders]) -> Diagnosis:
    """Commands that no group reads, or that a group leaves unread while none of its consumers asks for any."""
    known = list(channels)
    complaints = [complaint for readers in known for complaint in _unread(readers)]
    return together(complaints, "; ".join(map(_well, known)) or "no channel is installed")


def pending(channels: Iterable[CommandReaders]) -> Diagnosis:
    """Commands that a consumer has read and not acknowledged, and whether the consumer still asks for more."""
    known = list(channels)
    unread = [readers.name for readers in known if isinstance(readers.found, PublisherError)]
    if known and len(unread) == len(known):
        return unknown(f"not looked at: no stream could be read, of {names(unread)}", "mend commands-groups first")
    complaints, count = [], 0
    for readers in known:
        count += sum(group.pending for group in readers.groups)
        complaints += [
            warning(
                f"{readers.name}: group {group.name}: {held(group.gone)}",
                "have a living consumer take them over: "
                + _pasted(readers, group, "XAUTOCLAIM {} CONSUMER 300000 0", lambda part: bool(part.pending)),
            )
            for group in readers.holding_for_the_gone
        ]
    return together(complaints, f"{count:,} pending, none with a consumer that is gone")


def _unread(readers: CommandReaders) -> Iterator[Diagnosis]:
    if isinstance(readers.found, PublisherError):
        away = isinstance(readers.found, Unavailable)
        remedy = _AWAY if away else _LET_LOOK
        yield unknown(f"{readers.name}: {readers.stream} could not be read: {readers.found}", remedy)
    elif readers.unread_by_all and readers.needs_group:
        ceiling = readers.channel.holds_back_at
        full = f": at {ceiling:,} the channel waits" if ceiling else ""
        count = readers.unread_by_all
        stand, them = (f"{count:,} commands", "them") if count > 1 else ("1 command", "it")
        yield warning(
            f"{readers.name}: {stand} on {readers.stream}, and no group reads {them}{full}",
            "start its consumer, with a group (publisher guide consumers); if it reads without one, set"
            f" {readers.channel.variable('stream_trim')}=length",
        )
    for group in readers.reading_nothing:
        yield warning(
            f"{readers.name}: group {group.name} reads nothing: {_waiting(group)}",
            "start its consumer; if nobody uses the group any more: "
            + _pasted(readers, group, "XGROUP DESTROY {}", lambda _: True),
        )
    for group, streams in readers.leaving_partitions:
        yield warning(
            f"{readers.name}: group {group.name} reads nothing of {names(streams)}: {_waiting(group)}",
            "have its consumers read every partition (publisher guide consumers)",
        )


def _waiting(group: Group) -> str:
    unread = f"{'at least ' if group.is_bound else ''}{group.unread:,} unread"
    since = "" if group.oldest_unread is None else f", the first for {span(group.oldest_unread)}"
    asked = "no consumer ever asked" if group.last_read is None else f"none asked for {span(group.last_read)}"
    return f"{unread}{since}, and {asked}"


def _well(readers: CommandReaders) -> str:
    if not readers.groups:
        return f"{readers.name}: no group"
    return f"{readers.name}: " + ", ".join(
        f"{group.name} has {'at least ' if group.is_bound else ''}{group.unread:,} unread" for group in readers.groups
    )


def _pasted(readers: CommandReaders, group: Group, command: str, needs: Callable[[Group], bool]) -> str:
    """Returns the command for each stream that needs it. A partition is a stream of its own."""
    streams = readers.streams_where(group.name, needs)
    # Strangers choose a group's name.
    return "; ".join(command.format(f"{quote(stream)} {quote(group.name)}") for stream in streams)
