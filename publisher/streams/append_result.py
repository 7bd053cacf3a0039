"""What became of one append: a value, never an error."""

from dataclasses import dataclass

from publisher.domain.channel import Channel

# What stands in the place of a witness once a route has ended without a command, so that a late append is known.
EXPIRED = "expired"
_LONGEST_NAME = 200

# How errors begin that would refuse any command on this stream, or any at all.
_CHANNELS_FAULTS = (
    *("OOM ", "READONLY ", "MISCONF ", "LOADING ", "NOAUTH ", "NOPERM ", "WRONGTYPE ", "NOREPLICAS ", "MASTERDOWN "),
    # What NOPERM is called in a script.
    *("CLUSTERDOWN ", "ERR ACL failure", "ERR The user executing the script"),
)


@dataclass(frozen=True, slots=True)
class Appended:
    """The command stands on the stream under this entry id. first: this append wrote it.

    unwitnessed: why the delivery is not remembered: another append would write it again. None: it is remembered.
    """

    entry_id: str
    first: bool
    unwitnessed: str | None = None


@dataclass(frozen=True, slots=True)
class NotAppended:
    """The stream refused the command or could not be reached. It may stand there all the same: no one knows.

    channels_fault: it would have refused any other command as well. unreachable: Redis did not answer.
    """

    message: str
    channels_fault: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The command was not appended, because so many stand on the stream unread or unacknowledged (R13).

    message: who is behind, and how far, or that nobody reads the stream and what to do.
    """

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The command was not appended, because its route has ended meanwhile.

    life: it was about to become a dead letter, after it had been requeued so often. None: its deadline passed.
    """

    life: int | None


AppendResult = Appended | NotAppended | HeldBack | Ended


def dead(requeues: int) -> str:
    """The tombstone of a dead letter of a route that was requeued so often before."""
    return f"dead:{requeues}"


def ended(tombstone: str) -> Ended:
    """The result of an append that found this tombstone."""
    return Ended(None if tombstone == EXPIRED else int(tombstone.removeprefix("dead:")))


def append_result(channel: Channel, word: str, detail: str) -> AppendResult:
    """The result that append_once.lua describes by a word and a detail."""
    match word:
        case "appended" | "known":
            return Appended(detail, first=word == "appended")
        case "unwitnessed":
            entry_id, _, error = detail.partition(" ")
            return Appended(entry_id, first=True, unwitnessed=error)
        case "behind":
            return HeldBack(_who_is_behind(channel, detail))
        case "ended":
            return ended(detail)
        case "refused":
            return NotAppended(f"Redis refused: {detail}", channels_fault=detail.startswith(_CHANNELS_FAULTS))
        case _:
            # Its own key is of another type: that is no other command's matter.
            return NotAppended(f"Redis refused: {detail}")


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
