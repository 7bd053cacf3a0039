"""The result of one append: a value, never an error."""

import re
from dataclasses import dataclass
from datetime import timedelta

from publisher.domain.channel import Channel
from publisher.streams.keys import limit_key
from publisher.streams.servers.cluster_down import cannot_serve

# The tombstone of a route that has expired or was cancelled. It stands in the place of the witness, so that a late
# append finds it. The release before, which cancels nothing, must understand its text (R15).
OVER = "expired"
# How the message of an append begins that found another kind of key in the place of the token bucket (R30).
OF_ANOTHER_TYPE = "the key of the rate limit"
# How the message begins where one partition of a stream takes nothing: another one than the route's, perhaps.
PARTITION_AWAY, PARTITION_REFUSES = "a partition is away: ", "a partition takes nothing: "
_LONGEST_NAME = 200
# Both messages of `_who_is_behind`.
_HELD_BACK = re.compile(r".* is [\d,]+ commands behind|no consumer group reads .*", re.DOTALL)

# First words of errors that refuse every command on this stream, or on the server.
_CHANNELS_FAULTS = (
    *("OOM ", "READONLY ", "MISCONF ", "LOADING ", "NOAUTH ", "NOPERM ", "WRONGTYPE ", "NOREPLICAS ", "MASTERDOWN "),
    # NOPERM, as a script reports it.
    *("CLUSTERDOWN ", "ERR ACL failure", "ERR The user executing the script"),
)


@dataclass(frozen=True, slots=True)
class Appended:
    """The command stands on the stream.

    entry_id: its entry.
    first: whether this append wrote it, and no earlier one.
    unwitnessed: why there is no witness, so that another append would write the command again; None if there is one.
    """

    entry_id: str
    first: bool
    unwitnessed: str | None = None


@dataclass(frozen=True, slots=True)
class NotAppended:
    """The stream refused the command, or Redis did not answer. The command may stand on the stream all the same.

    message: the error.
    channels_fault: whether any other command would have been refused as well.
    unreachable: whether Redis did not answer.
    """

    message: str
    channels_fault: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The command was not appended, because too many commands on the stream are unread or unacknowledged (R13).

    message: the slowest group and its backlog, or that no group reads the stream and how to create one.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The command was not appended, because its route has ended meanwhile.

    life: how often the route had been requeued before it became a dead letter, or None if it expired or was
        cancelled.
    """

    life: int | None


@dataclass(frozen=True, slots=True)
class Moved:
    """The command was not appended: another worker has begun to move its route to another stream since it came here."""


@dataclass(frozen=True, slots=True)
class Limited:
    """The command was not appended, because the channel's rate limit lets nothing through now (R30).

    wait: the time until it lets a command through again.
    """

    wait: timedelta


AppendResult = Appended | NotAppended | HeldBack | Ended | Moved | Limited


def dead(requeues: int) -> str:
    """Returns the tombstone of a dead letter. requeues: how often its route was requeued before."""
    return f"dead:{requeues}"


def ended(tombstone: str) -> Ended:
    """Returns the result of an append that found this tombstone."""
    return Ended(None if tombstone == OVER else int(tombstone.removeprefix("dead:")))


def append_result(channel: Channel, word: str, detail: str) -> AppendResult:
    """Returns the result that append_once.lua describes by a word and a detail."""
    match word:
        case "known":
            return Appended(detail, first=False)
        case "unwitnessed":
            entry_id, _, error = detail.partition(" ")
            return Appended(entry_id, first=True, unwitnessed=error)
        case "behind":
            return HeldBack(_who_is_behind(channel, detail))
        case "limited":
            return Limited(timedelta(milliseconds=int(detail)))
        case "ended":
            return ended(detail)
        case "moved":
            return Moved()
        case "bucket":
            return NotAppended(f"Redis refused: {_what_is_wrong(channel, detail)}", channels_fault=True)
        case "refused":
            is_channels = detail.startswith(_CHANNELS_FAULTS) or cannot_serve(detail)
            return NotAppended(f"Redis refused: {detail}", channels_fault=is_channels)
        case _:
            # Its own key is of another type: that is no other command's matter.
            return NotAppended(f"Redis refused: {detail}")


def of_partition(channel: Channel, result: AppendResult) -> AppendResult:
    """Returns the result of an append for the circuit breaker: a partition that takes nothing holds its routes back.

    Other partitions may go on taking commands. So the channel is parked at once, and none of its routes uses up its
    attempts meanwhile.
    """
    if channel.partitions == 1 or not isinstance(result, NotAppended) or not result.channels_fault:
        return result
    return HeldBack(f"{PARTITION_AWAY if result.unreachable else PARTITION_REFUSES}{result.message}")


def is_held_back(message: str) -> bool:
    """Returns whether this is the message of a HeldBack: the reason of a parking is kept as text alone."""
    return _HELD_BACK.fullmatch(message) is not None


def _what_is_wrong(channel: Channel, error: str) -> str:
    """Says which key is in the way of the channel's rate limit; any other error is the server's alone."""
    if not error.startswith("WRONGTYPE "):
        return error
    return f"{OF_ANOTHER_TYPE} {limit_key(channel.stream, channel.name)} is no token bucket: delete it. {error}"


def _who_is_behind(channel: Channel, detail: str) -> str:
    number, has_group, name = detail.partition(" ")
    if has_group:
        # Anybody may have named the group: what is kept of it is one line.
        group = "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])
        return f"{group} is {int(number):,} commands behind"
    return (
        f"no consumer group reads {channel.stream} and {int(number):,} commands stand on it: create the reader's group"
        f" (XGROUP CREATE {channel.stream} NAME 0), or set {channel.variable('stream_trim')}=length"
    )
