"""Tries every right that the service needs of its Redis user, for `doctor`. Runs no command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from publisher.streams.rights import Right, Streams, command_name, granting, key_pattern, needed_rights
from publisher.streams.servers.connection import translated


@dataclass(frozen=True, slots=True)
class Refusal:
    """A right that is missing.

    what: the command and its keys.
    grant: the ACL rules that give the right, or blank if none would.
    """

    what: str
    grant: str


@dataclass(frozen=True, slots=True)
class RedisTrial:
    """The result of trying every command of the service.

    refused: the missing rights.
    elsewhere: whether some keys belong to another server (MOVED).
    untried: how many commands could not be tried.
    """

    refused: Sequence[Refusal]
    elsewhere: bool
    untried: int


def try_rights(client: redis.Redis, streams: Streams) -> RedisTrial:
    """Tries every needed right, and runs nothing: Redis judges a command when MULTI queues it, and DISCARD drops all.

    So the user needs no right to ask, as ACL DRYRUN does. Raises RedisUnavailable or RedisRefused.
    """
    rights = needed_rights(streams)
    inside = [right for right in rights if right.command[0] not in ("MULTI", "EXEC", "DISCARD")]
    with translated(), _connection(client) as connection:
        # An empty transaction first. Without the right to MULTI the commands would be run: nothing is sent then.
        replies = _replies(connection, [("MULTI",)])
        if not isinstance(replies[0], Exception):
            replies += _replies(connection, [("EXEC",)])
            [begun] = _replies(connection, [("MULTI",)])
            # Nested: there was no right to EXEC.
            if not isinstance(begun, Exception) or "nested" in str(begun):
                replies += _replies(connection, [*(right.command for right in inside), ("DISCARD",)])
    tried = [Right(("MULTI",)), Right(("EXEC",)), *inside, Right(("DISCARD",))][: len(replies)]
    return RedisTrial(
        [refusal for right, reply in zip(tried, replies, strict=True) if (refusal := _refusal(right, reply))],
        elsewhere=any(isinstance(reply, redis.exceptions.MovedError) for reply in replies),
        untried=len(inside) + 3 - len(tried),
    )


@contextmanager
def _connection(client: redis.Redis) -> Iterator[Any]:
    """Opens a connection, and closes it with all that is queued on it."""
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    finally:
        connection.disconnect()
        pool.release(connection)


def _replies(connection: Any, commands: Sequence[tuple[str, ...]]) -> list[Any]:
    """Sends the commands in one round trip. Returns the replies; an error is a value."""
    connection.send_packed_command(connection.pack_commands(commands))
    return [_reply(connection) for _ in commands]


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _refusal(right: Right, reply: object) -> Refusal | None:
    """Returns the missing right, or None. Another error, such as out of memory, says nothing about rights."""
    unknown = isinstance(reply, redis.ResponseError) and str(reply).lower().startswith(
        ("unknown command", "unknown sub")
    )
    if unknown:
        return Refusal(f"{command_name(right.command)} (the server does not know it)", "")
    if isinstance(reply, redis.exceptions.ClusterCrossSlotError):
        return Refusal(f"{command_name(right.command)} on keys of several slots: {', '.join(right.keys)}", "")
    # An EXEC that is not allowed is answered with EXECABORT, and the reason behind it.
    if isinstance(reply, redis.exceptions.NoPermissionError) or "NOPERM" in str(reply):
        grant = " ".join([granting(right.command), *map(key_pattern, right.keys)])
        return Refusal(" ".join([command_name(right.command), *right.keys]), grant)
    return None
