"""Writes a command with many arguments for the wire, without redis-py's look at each of them."""

import hiredis
from redis.connection import HiredisRespSerializer

# A batch of commands for a channel has thousands of arguments, and everything else has few.
_MANY = 200


class CommandPacker(HiredisRespSerializer):
    """Packs as redis-py does.

    redis-py first copies the arguments of a command, to find those that are a bytearray or a memoryview: a thirtieth of
    a worker's time where they are thousands. hiredis refuses such an argument, and then redis-py may look.
    """

    def pack(self, *args: object) -> list[bytes]:
        """Returns the bytes to send. Raises DataError for an argument that is no text, number or bytes."""
        if len(args) >= _MANY:
            try:
                return [hiredis.pack_command(args)]  # type: ignore[arg-type]  # its stub knows one argument alone
            except TypeError:
                pass
        packed: list[bytes] = super().pack(*args)  # type: ignore[arg-type]  # annotated as if each were a list
        return packed
