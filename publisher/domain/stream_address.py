"""Says where a channel's commands go: the stream, or its partitions, and the Redis if that is not REDIS_URL's (R37).

A route remembers this address as one text (`routes.stream`). So a command that an earlier attempt has appended is found
where it stands, though the stream was renamed, partitioned or moved to another Redis since (R12).
"""

import re
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

# No stream of a Redis of its own has it in its name, so that an address can be taken apart.
BEFORE_SERVER = " @ "
_PARTITION = re.compile(r"(.+):\{\d{1,3}\}", re.DOTALL)
_PARTITIONED = re.compile(r"(.+):\{0\.\.(\d{1,4})\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where a stream is.

    stream: its name. Its partitions are named after it, each with its number as hash tag: `commands:{3}`.
    server: its Redis, as `ConnectionUrl.shown` says it; blank: that of REDIS_URL.
    partitions: how many it has; 1: it is one stream, of that very name.
    """

    stream: str
    server: str = ""
    partitions: int = 1

    def __str__(self) -> str:
        return f"{self.names}{BEFORE_SERVER}{self.server}" if self.server else self.names

    @property
    def names(self) -> str:
        """The name of the stream; of partitions the names of all, as `commands:{0..7}`."""
        return self.stream if self.partitions == 1 else f"{self.stream}:{{0..{self.partitions - 1}}}"

    @property
    def parts(self) -> "list[StreamAddress]":
        """Each partition as a stream of its own; the stream itself if it has none."""
        return [self] if self.partitions == 1 else [self._part(number) for number in range(self.partitions)]

    def part(self, id_: str) -> "StreamAddress":
        """Returns the partition of this id, always the same one: its number is CRC-32 of the id modulo their count."""
        return self if self.partitions == 1 else self._part(zlib.crc32(id_.encode()) % self.partitions)

    def earlier(self, most: int) -> "list[StreamAddress]":
        """Returns the streams that this one may have been: as one, in other partitions, or on the Redis of REDIS_URL.

        most: with so many partitions at most.
        """
        there = [replace(self, partitions=1), *replace(self, partitions=most).parts]
        every, today = [*there, *(replace(each, server="") for each in there)], set(self.parts)
        return [each for each in dict.fromkeys(every) if each not in today]

    def _part(self, number: int) -> "StreamAddress":
        return replace(self, stream=f"{self.stream}:{{{number}}}", partitions=1)


def whole_of(stream: str) -> str:
    """Returns the name of the stream that has the partition of this name; the name itself, of one that is none."""
    found = _PARTITION.fullmatch(stream)
    return stream if found is None else found[1]


@lru_cache(maxsize=256)
def read_address(text: str) -> StreamAddress:
    """Returns the address that this text says."""
    stream, _, server = text.rpartition(BEFORE_SERVER)
    if not stream:
        stream, server = text, ""
    partitioned = _PARTITIONED.fullmatch(stream)
    if partitioned is None:
        return StreamAddress(stream, server)
    return StreamAddress(partitioned[1], server, int(partitioned[2]) + 1)
