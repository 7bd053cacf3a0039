"""Says where a channel's commands go: the name of the stream, and of the Redis that has it if that is not REDIS_URL's.

A route remembers this address as one text (`routes.stream`). So a command that an earlier attempt has appended is found
where it stands, though the stream was renamed or moved to another Redis since (R12).
"""

from dataclasses import dataclass

# No stream of a Redis of its own has it in its name, so that an address can be taken apart.
BEFORE_SERVER = " @ "


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where a stream is.

    stream: its name.
    server: its Redis, as `ConnectionUrl.shown` says it; blank: that of REDIS_URL.
    """

    stream: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.stream}{BEFORE_SERVER}{self.server}" if self.server else self.stream


def read_address(text: str) -> StreamAddress:
    """Returns the address that this text says."""
    stream, _, server = text.rpartition(BEFORE_SERVER)
    return StreamAddress(stream, server) if stream else StreamAddress(text)
