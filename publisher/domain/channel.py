"""Defines a channel: the stream of its commands, and the encoder that makes them (R22–R24)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import timedelta
from enum import StrEnum
from traceback import format_exception_only

from publisher.domain.backoff import Backoff
from publisher.domain.errors import EncodingError
from publisher.domain.notification import Notification, Route
from publisher.domain.rate_limit import RateLimit
from publisher.domain.recipient import Recipient
from publisher.domain.stream_address import StreamAddress

COMMAND_SIZE_LIMIT = 1024 * 1024
_OVER_LIMIT = f", over the limit of {COMMAND_SIZE_LIMIT}"
CHANNEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
STREAM_CEILING = 100_000
# Each is read, trimmed and looked at by itself.
PARTITIONS = 256


class StreamTrim(StrEnum):
    """Which entries are trimmed from a channel's stream (R13).

    ACKNOWLEDGED: entries that every consumer group has acknowledged and that are older than the retention.
    LENGTH: the oldest entries beyond the ceiling, read or not. The ceiling then holds nothing back.
    NEVER: none.
    """

    ACKNOWLEDGED = "acknowledged"
    LENGTH = "length"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Command:
    """One entry for a channel's stream.

    fields: names and values, in order.
    size: the number of bytes of all names and values in UTF-8.
    """

    fields: tuple[tuple[str, str], ...]
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Counts the bytes, once for all who ask. Raises whatever fields that are not text raise."""
        object.__setattr__(self, "size", len("".join([name + value for name, value in self.fields]).encode()))


def has_user_id(recipient: Recipient) -> bool:
    """True if the recipient is a user, not an address alone."""
    return recipient.user_id is not None


@dataclass(frozen=True)
class Channel:
    """One way to reach a recipient (R24).

    name: lower-case letters, digits, - and _; also the name of its Dramatiq queue (R16).
    stream: the Redis stream of its commands.
    partitions: over how many streams its commands are spread, by delivery id; 1: they have one (R37).
    server: the Redis that has the stream, without its secrets; blank: that of REDIS_URL.
    encode: makes the command of a route, deterministically (R22). Raises EncodingError if there can be none.
    reaches: tells whether a recipient has an address on this channel. If not, the route is skipped at acceptance (R3).
        If `reaches` raises, the intent is malformed.
    max_attempts: attempts before a dead letter, at least 1.
    backoff: the waits between attempts; None takes the backoff of the settings (R9).
    stream_failure: the classification of a refused append; `<name>_stream_publish_failed` if blank (R7).
    stream_ceiling: with so many commands unread or unacknowledged nothing is appended; 0: no ceiling (R13).
    stream_retention: how long an acknowledged command stays on the stream; 0: it is not trimmed by its age.
    stream_trim: which entries are trimmed.
    rate: how fast commands are appended at most, unless an operator says otherwise; None: as fast as they come (R30).
    answer_within: how long after its command a route's answer is expected; 0: none is expected (R32).
    stream_max_len: the old name of stream_ceiling, for channels written for earlier releases.
    """

    name: str
    stream: str
    encode: Callable[[Notification, Route], Command]
    reaches: Callable[[Recipient], bool] = has_user_id
    max_attempts: int = 6
    backoff: Backoff | None = None
    stream_failure: str = field(default="")
    stream_ceiling: int = STREAM_CEILING
    stream_retention: timedelta = timedelta(days=1)
    stream_trim: StreamTrim = StreamTrim.ACKNOWLEDGED
    rate: RateLimit | None = None
    answer_within: timedelta = timedelta(0)
    partitions: int = 1
    server: str = ""
    stream_max_len: InitVar[int | None] = None

    def __post_init__(self, stream_max_len: int | None) -> None:
        if stream_max_len is not None:
            object.__setattr__(self, "stream_ceiling", stream_max_len)
        if not CHANNEL_NAME.fullmatch(self.name):
            raise ValueError(f"channel name {self.name!r} must match {CHANNEL_NAME.pattern}")
        if not self.stream.strip():
            raise ValueError(f"channel {self.name} needs a stream")
        if self.max_attempts < 1 or self.stream_ceiling < 0:
            raise ValueError(f"channel {self.name} needs max_attempts >= 1 and stream_ceiling >= 0")
        if not 1 <= self.partitions <= PARTITIONS:
            raise ValueError(f"channel {self.name} needs partitions from 1 to {PARTITIONS}")
        if min(self.stream_retention, self.answer_within) < timedelta(0):
            raise ValueError(f"channel {self.name} needs stream_retention >= 0 and answer_within >= 0")
        if not self.stream_failure:
            object.__setattr__(self, "stream_failure", f"{self.name}_stream_publish_failed")

    @property
    def location(self) -> StreamAddress:
        """Where its commands go today."""
        return StreamAddress(self.stream, self.server, self.partitions)

    @property
    def address(self) -> str:
        """Where a command goes today, as its route remembers it (see `domain.stream_address`)."""
        return str(self.location)

    @property
    def streams(self) -> Sequence[StreamAddress]:
        """The stream of its commands, or each of its partitions."""
        return self.location.parts

    def variable(self, setting: str) -> str:
        """Returns the name of a setting's environment variable: PUBLISHER_PUSH_STREAM for `stream` of `push`."""
        return f"PUBLISHER_{self.name.upper().replace('-', '_')}_{setting.upper()}"

    @property
    def holds_back_at(self) -> int:
        """The number of unread or unacknowledged commands at which appends stop; 0: appends never stop (R13)."""
        return 0 if self.stream_trim is StreamTrim.LENGTH else self.stream_ceiling

    def command(self, notification: Notification, route: Route) -> Command:
        """Encodes the route as a command of at most 1 MiB of valid UTF-8 (R6).

        Raises EncodingError. Any other exception of the encoder becomes one too: a third party's bug fails this route
        and no other (R7, R11).
        """
        try:
            command = self.encode(notification, route)
            size = command.size
        except EncodingError:
            raise
        except Exception as error:
            # Not str(error): that may raise as well.
            described = " ".join("".join(format_exception_only(error)).split())
            raise EncodingError(f"{_raised(self.name)}{described}") from error
        if size > COMMAND_SIZE_LIMIT:
            raise EncodingError(f"the command is {size} bytes{_OVER_LIMIT}")
        return command


def encoder_raised(message: str, channel: str) -> bool:
    """Returns True if this message of an EncodingError blames the encoder's code, and not the route."""
    return message.startswith(_raised(channel))


def is_over_limit(message: str) -> bool:
    """Returns True if this message of an EncodingError says that the command is too large."""
    return message.endswith(_OVER_LIMIT)


def _raised(channel: str) -> str:
    return f"the {channel} encoder raised "
