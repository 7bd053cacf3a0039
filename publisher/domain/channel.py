"""A channel: where its commands go and how a notification becomes one (R22–R24)."""

import re
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import timedelta
from enum import StrEnum
from traceback import format_exception_only

from publisher.domain.backoff import Backoff
from publisher.domain.errors import EncodingError
from publisher.domain.notification import Notification, Route
from publisher.domain.recipient import Recipient

COMMAND_SIZE_LIMIT = 1024 * 1024
CHANNEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
STREAM_CEILING = 100_000


class StreamTrim(StrEnum):
    """What a scheduled job removes from a channel's stream (R13).

    ACKNOWLEDGED: what every consumer group has acknowledged, once it is older than the retention.
    LENGTH: the oldest entries beyond the ceiling, read or not. The ceiling holds nothing back then.
    NEVER: nothing.
    """

    ACKNOWLEDGED = "acknowledged"
    LENGTH = "length"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Command:
    """What goes on a channel's stream: field names and values, in order."""

    fields: tuple[tuple[str, str], ...]

    @property
    def size(self) -> int:
        """Bytes of all names and values in UTF-8."""
        return len("".join([name + value for name, value in self.fields]).encode())


def has_user_id(recipient: Recipient) -> bool:
    """True if the recipient is a known user."""
    return recipient.user_id is not None


@dataclass(frozen=True)
class Channel:
    """One way to reach a recipient (R24).

    name: lower-case letters, digits, - and _; also the name of its Dramatiq queue (R16).
    stream: the Redis stream of its commands.
    encode: makes the command; deterministic (R22); raises EncodingError where none can be made.
    reaches: whether a recipient has an address here; if not, the route is skipped at acceptance (R3). If it raises, the
    intent is malformed.
    max_attempts: at least 1. backoff: None takes the service's own (R9).
    stream_ceiling: with so many commands unread or unacknowledged nothing is appended; 0: no ceiling (R13).
    stream_retention: how long an acknowledged command stays on the stream; 0: it is not trimmed by its age.
    stream_trim: what is trimmed.
    stream_max_len: the name of stream_ceiling in earlier releases.
    stream_failure: the classification of an attempt that the stream refused (R7).
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
        if self.stream_retention < timedelta(0):
            raise ValueError(f"channel {self.name} needs stream_retention >= 0")
        if not self.stream_failure:
            object.__setattr__(self, "stream_failure", f"{self.name}_stream_publish_failed")

    def variable(self, setting: str) -> str:
        """The environment variable of a setting of this channel: PUBLISHER_PUSH_STREAM for `stream`."""
        return f"PUBLISHER_{self.name.upper().replace('-', '_')}_{setting.upper()}"

    @property
    def holds_back_at(self) -> int:
        """With so many commands unread or unacknowledged nothing more is appended; 0: there is no such number."""
        return 0 if self.stream_trim is StreamTrim.LENGTH else self.stream_ceiling

    def command(self, notification: Notification, route: Route) -> Command:
        """The command of this route (R6), at most 1 MiB of valid UTF-8.

        Raises EncodingError, also for whatever else the encoder raised: a third party's bug is this
        route's failure and no one else's (R7, R11).
        """
        try:
            command = self.encode(notification, route)
            size = command.size
        except EncodingError:
            raise
        except Exception as error:
            # Not str(error): that may raise as well.
            described = " ".join("".join(format_exception_only(error)).split())
            raise EncodingError(f"the {self.name} encoder raised {described}") from error
        if size > COMMAND_SIZE_LIMIT:
            raise EncodingError(f"the command is {size} bytes, over the limit of {COMMAND_SIZE_LIMIT}")
        return command
