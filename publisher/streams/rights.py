"""Every right that the service needs of its Redis user: one table for `doctor`, for the guide and for the tests.

A new command or key in the code is a new line here. Commands that a script runs are checked one by one by Redis' ACLs,
so each has its own line, beside the EVALSHA of the script.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from publisher.streams.connection import translated
from publisher.streams.keys import counted_key, losses_key, witness_key


@dataclass(frozen=True, slots=True)
class Refusal:
    """A right that is missing. what: the command and its keys. grant: the ACL rules that give it, blank for none."""

    what: str
    grant: str


@dataclass(frozen=True, slots=True)
class RedisTrial:
    """Every command of the service, tried.

    elsewhere: some keys are another server's (MOVED). untried: how many could not be tried.
    """

    refused: Sequence[Refusal]
    elsewhere: bool
    untried: int


# The first words of keys in the tables below.
_KEYS = ("{intents}", "{stream}", "{unread}", "{losses}", "{witness}", "{queue}", "publisher:", "dramatiq")
_CONTAINERS = ("XGROUP", "XINFO", "SCRIPT", "CLIENT")


@dataclass(frozen=True, slots=True)
class Right:
    """One command with sample arguments. keys: those among the arguments that are keys of the service."""

    command: tuple[str, ...]
    keys: tuple[str, ...] = ()


# The tables: each command with who runs it, and for what.

# With each connection. The database number's command stands in small letters, so that no one takes it for SQL.
_CONNECTION = (
    ("CLIENT SETNAME publisher", "every connection has a name"),
    ("select 0", "the database number of REDIS_URL"),
    ("SCRIPT LOAD return", "a script that Redis has forgotten"),
    ("MULTI", "a scan that someone waits for; doctor tries rights"),
    ("EXEC", "a scan that someone waits for"),
    ("DISCARD", "doctor tries rights"),
    ("TIME", "ages by Redis' own clock"),
)

# {intents}: the intents stream, {group}: its consumer group.
_INTENTS = (
    ("XGROUP CREATE {intents} {group} 0 MKSTREAM", "intake makes stream and group"),
    ("XREADGROUP GROUP {group} c STREAMS {intents} >", "intake reads"),
    ("XREAD COUNT 1 STREAMS {intents} 0-0", "intake waits"),
    ("EVALSHA {no_script} 2 {intents} {losses}", "gap.lua"),
    ("XINFO STREAM {intents}", "gap.lua"),
    ("XGROUP SETID {intents} {group} 0-0", "gap.lua"),
    ("RPUSH {losses} 1", "gap.lua, intake"),
    ("PEXPIRE {losses} 1", "gap.lua, intake"),
    ("LRANGE {losses} 0 -1", "intake records losses"),
    ("LREM {losses} 1 1", "intake records losses"),
    ("GET publisher:intents-mark:1", "intake looks whether PostgreSQL went back"),
    ("SET publisher:intents-mark:1 0-0 EX 1", "intake marks how far intents are committed"),
    ("XREVRANGE {intents} + - COUNT 1", "intake marks how far intents are committed"),
    ("XPENDING {intents} {group}", "intake recovers and marks, trimming, trace"),
    ("XRANGE {intents} - +", "intake recovers, trace, doctor"),
    ("XAUTOCLAIM {intents} {group} c 0 0-0", "intake takes over"),
    ("XCLAIM {intents} {group} c 0 0-0 JUSTID", "hold.lua, give_back.lua"),
    ("XACK {intents} {group} 0-0", "acknowledge.lua, give_back.lua"),
    (
        "EVALSHA {no_script} 1 {intents}",
        "acknowledge.lua, hold.lua, give_back.lua, leave.lua, remove_stale.lua, trim.lua",
    ),
    ("XINFO GROUPS {intents}", "trimming, status, trace, doctor"),
    ("XINFO CONSUMERS {intents} {group}", "remove_stale.lua, doctor"),
    ("XGROUP DELCONSUMER {intents} {group} c", "leave.lua, remove_stale.lua"),
    ("EXISTS {intents}", "trim.lua, gap.lua"),
    ("XTRIM {intents} MINID 0", "trim.lua"),
    ("XLEN {intents}", "status"),
    ("XADD {intents} * a b", "intents send, malformed resubmit"),
    ("TYPE {intents}", "doctor"),
)

# For each channel. {stream}: its stream, {witness}: the key that says a delivery stands there,
# {unread}: what was counted of its groups.
_CHANNEL = (
    ("EVALSHA {no_script} 3 {stream} {unread} {witness}", "append_once.lua, trim.lua, count_page.lua"),
    ("XADD {stream} * a b", "append_once.lua"),
    ("XDEL {stream} 0-0", "append_once.lua"),
    ("XLEN {stream}", "append_once.lua"),
    ("XINFO GROUPS {stream}", "append_once.lua, trim.lua"),
    ("XRANGE {stream} - +", "append_once.lua, count_page.lua"),
    ("XPENDING {stream} group", "trim.lua"),
    ("EXISTS {stream}", "trim.lua"),
    ("XTRIM {stream} MINID 0", "trim.lua"),
    ("HGET {unread} group", "append_once.lua"),
    ("HSET {unread} group 1", "commands of a group are counted"),
    ("DEL {unread}", "commands of a group are counted"),
    ("PEXPIRE {unread} 1", "commands of a group are counted"),
    ("SET publisher:retention:commands:{channel} 1 PX 1 NX", "one process trims for all"),
    ("TYPE {stream}", "doctor"),
    ("GET {witness}", "append_once.lua"),
    ("SET {witness} 0-0 PX 1", "append_once.lua"),
    ("PEXPIRE {witness} 1", "append_once.lua"),
    ("MGET {witness}", "the loss audit"),
    ("GETEX {witness} PX 1", "a command on a stream that was renamed"),
    ("SET publisher:audit:{channel} 1 PX 1 NX", "one process looks whether an audit is due"),
    ("SET publisher:scan:{channel} 1 PX 1 NX", "scans say that they run"),
    ("SET publisher:look-back:{channel} 1 PX 1 NX", "one process looks back for all"),
)

# {queue}: `dramatiq:` and the channel. Delayed messages have the same keys under `.DQ`, which holds no dead ones.
_QUEUE = (
    ("LPUSH {queue}.wake 1", "a message wakes a worker"),
    ("LTRIM {queue}.wake 0 1", "a message wakes a worker"),
    ("PEXPIRE {queue}.wake 1", "a message wakes a worker"),
    ("BLPOP {queue}.wake 1", "a worker sleeps"),
    ("RPUSH {queue} 1", "Dramatiq's queue"),
    ("LPOP {queue}", "Dramatiq's queue"),
    ("LLEN {queue}", "status"),
    ("HSET {queue}.msgs 1 1", "Dramatiq's messages"),
    ("HGET {queue}.msgs 1", "Dramatiq's messages"),
    ("HMGET {queue}.msgs 1", "Dramatiq's messages"),
    ("HEXISTS {queue}.msgs 1", "Dramatiq's messages"),
    ("HDEL {queue}.msgs 1", "Dramatiq's messages"),
    ("ZADD {queue}.XQ 1 1", "Dramatiq's dead letters"),
    ("ZRANGEBYSCORE {queue}.XQ 0 1", "dead_workers.lua"),
    ("ZREM {queue}.XQ 1", "dead_workers.lua"),
    ("ZCARD {queue}.XQ", "status"),
    ("HSET {queue}.XQ.msgs 1 1", "Dramatiq's dead letters"),
    ("HDEL {queue}.XQ.msgs 1", "Dramatiq's dead letters"),
    ("SADD dramatiq:__acks__.1.{channel} 1", "messages that are being worked on"),
    ("SREM dramatiq:__acks__.1.{channel} 1", "messages that are being worked on"),
    ("SPOP dramatiq:__acks__.1.{channel}", "dead_workers.lua"),
    ("EXISTS dramatiq:__acks__.1.{channel}", "dead_workers.lua"),
)

_SERVICE = (
    ("EVALSHA {no_script} 1 dramatiq", "Dramatiq's dispatch, dead_workers.lua"),
    ("ZADD dramatiq:__heartbeats__ 1 1", "Dramatiq's workers"),
    ("ZRANGEBYSCORE dramatiq:__heartbeats__ 0 1", "dead_workers.lua"),
    ("ZREM dramatiq:__heartbeats__ 1", "dead_workers.lua"),
    ("SADD dramatiq:__queues__ 1", "dead_workers.lua"),
    ("SMEMBERS dramatiq:__queues__", "dead_workers.lua"),
    ("EVALSHA {no_script} 1 publisher:processes", "signs of life"),
    ("HSET publisher:processes 1 1", "signs of life"),
    ("PEXPIRE publisher:processes 1", "signs of life"),
    ("HDEL publisher:processes 1", "signs of life"),
    ("HGETALL publisher:processes", "status, doctor"),
    ("SET publisher:identity 1 NX", "the loss audit"),
    ("GET publisher:identity", "the loss audit"),
    ("SET publisher:retention:records 1 PX 1 NX", "one process prunes for all"),
    ("HINCRBY publisher:scan-run:1 open 1", "a scan that someone waits for"),
    ("EXPIRE publisher:scan-run:1 1", "a scan that someone waits for"),
    ("HGETALL publisher:scan-run:1", "a scan that someone waits for"),
    ("SET publisher:doctor 1 PX 1", "doctor writes"),
)

# Not needed for the work: without them the checks of doctor that ask them are unknown.
_HELPFUL = (("INFO", "doctor: persistence, eviction, memory; the loss audit where it is allowed"),)


def needed_rights(*, intents: str, group: str, streams: Mapping[str, str]) -> list[Right]:
    """Every right without which something of the service does not work. streams: channel -> stream."""
    rights = [*_rights(_CONNECTION), *_rights(_SERVICE)]
    rights += _rights(_INTENTS, intents=intents, group=group, losses=losses_key(intents))
    for channel, stream in streams.items():
        witness, unread = witness_key(stream, "0/0"), counted_key(stream)
        rights += _rights(_CHANNEL, channel=channel, stream=stream, witness=witness, unread=unread)
        rights += _rights(_QUEUE, channel=channel, queue=f"dramatiq:{channel}")
    return rights


def acl_rules(*, intents: str, group: str, streams: Mapping[str, str]) -> list[str]:
    """The rules of `ACL SETUSER` that give a user every right of the service, helpful ones too, and no other."""
    rights = [*needed_rights(intents=intents, group=group, streams=streams), *_rights(_HELPFUL)]
    patterns = dict.fromkeys([_pattern(key) for key in (intents, *streams.values())])
    own = dict.fromkeys(sorted({_pattern(key) for right in rights for key in right.keys}))
    commands = sorted({_granting(right.command) for right in rights})
    return ["resetkeys", *{**patterns, **own}, "resetchannels", "-@all", *commands]


def try_rights(client: redis.Redis, *, intents: str, group: str, streams: Mapping[str, str]) -> RedisTrial:
    """Tries every needed right, and runs nothing: Redis judges a command when MULTI queues it, and DISCARD drops all.

    So the user needs no right to ask, as ACL DRYRUN does. Raises RedisUnavailable or RedisRefused.
    """
    rights = needed_rights(intents=intents, group=group, streams=streams)
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
    """A connection that is closed in the end, and whatever is queued on it dropped."""
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        yield connection
    finally:
        connection.disconnect()
        pool.release(connection)


def _replies(connection: Any, commands: Sequence[tuple[str, ...]]) -> list[Any]:
    """What Redis answers to each, in one round trip; its refusals as values."""
    connection.send_packed_command(connection.pack_commands(commands))
    return [_reply(connection) for _ in commands]


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _refusal(right: Right, reply: object) -> Refusal | None:
    """None where the right is there: what else Redis may answer, out of memory say, is no matter of rights."""
    unknown = isinstance(reply, redis.ResponseError) and str(reply).lower().startswith(
        ("unknown command", "unknown sub")
    )
    if unknown:
        return Refusal(f"{_name(right.command)} (the server does not know it)", "")
    if isinstance(reply, redis.exceptions.ClusterCrossSlotError):
        return Refusal(f"{_name(right.command)} on keys of several slots: {', '.join(right.keys)}", "")
    # An EXEC that is not allowed is answered with EXECABORT, and the reason behind it.
    if isinstance(reply, redis.exceptions.NoPermissionError) or "NOPERM" in str(reply):
        grant = " ".join([_granting(right.command), *map(_pattern, right.keys)])
        return Refusal(" ".join([_name(right.command), *right.keys]), grant)
    return None


def _rights(table: Sequence[tuple[str, str]], **names: str) -> Iterator[Right]:
    for template, _why in table:
        words = template.split()
        keys = tuple(dict.fromkeys(word.format(**names) for word in words if word.startswith(_KEYS)))
        yield Right(tuple(word.format(no_script="0" * 40, **names) for word in words), keys)


def _name(command: Sequence[str]) -> str:
    """The command, with its subcommand where it has some: `XGROUP CREATE`."""
    return " ".join(command[: 2 if command[0] in _CONTAINERS else 1]).upper()


def _granting(command: Sequence[str]) -> str:
    return f"+{_name(command).lower().replace(' ', '|')}"


def _pattern(key: str) -> str:
    """The ACL pattern of this key: a whole family for keys of our own, and literally the key for a stream."""
    family, colon, _ = key.partition(":")
    if colon and family in ("publisher", "dramatiq"):
        return f"~{family}:*"
    return "~" + "".join(f"\\{c}" if c in "*?[]\\" else c for c in key)
