"""Every right that the service needs of its Redis user, by `rights_tables`: for `doctor`, the guides and the tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import redis.connection

from publisher.streams import keys
from publisher.streams.rights_tables import (
    CHANNEL,
    CLUSTER,
    CONNECTION,
    DATABASE,
    EVENTS,
    HELPFUL,
    INTENTS,
    LOSS_AUDIT,
    MAIL,
    MUTEXES,
    QUEUE,
    SERVICE,
)
from publisher.streams.servers.redis_url import read_url

_CONTAINERS = ("XGROUP", "XINFO", "SCRIPT", "CLIENT", "CLUSTER")


@dataclass(frozen=True, slots=True)
class Right:
    """One command with sample arguments.

    keys: those arguments that are keys.
    """

    command: tuple[str, ...]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one Redis, which the rights are for.

    intents, group: the intents stream, or its partitions, and its consumer group. Empty: it is on another Redis.
    events, events_group: the stream of delivery events, and its consumer group. None: it is on another Redis.
    commands: channel -> its stream, or its partitions, of the channels whose commands are there.
    mail, mail_group: the streams that this service's own mailers read, of the above, and their consumer group. Empty:
        another mail service reads them, with rights of its own.
    queues: the channels whose queues are there, with the mutexes and heartbeats. None: it is not that of REDIS_URL.
    in_cluster: whether it is a Redis Cluster.
    """

    intents: Sequence[str]
    group: str
    events: str | None
    events_group: str
    commands: Mapping[str, Sequence[str]]
    mail: Sequence[str] = ()
    mail_group: str = ""
    queues: Sequence[str] | None = None
    in_cluster: bool = False

    @property
    def names(self) -> list[str]:
        """Every stream, each once."""
        commands = [stream for streams in self.commands.values() for stream in streams]
        return [name for name in dict.fromkeys([*self.intents, self.events, *commands]) if name]


def needed_rights(streams: Streams) -> list[Right]:
    """Returns every right on this Redis without which a part of the service does not work."""
    rights = [
        *_rights(CONNECTION, {"doctor": keys.DOCTOR}),
        *_rights(CLUSTER if streams.in_cluster else DATABASE, {}),
        *_of_service(streams),
    ]
    for intents in streams.intents:
        of_intents = {"intents": intents, "losses": keys.losses_key(intents), "mark": keys.mark_key(intents)}
        rights += _rights(INTENTS, of_intents, group=streams.group)
    if streams.events is not None:
        rights += _rights(EVENTS, {"events": streams.events}, events_group=streams.events_group)
    for stream in streams.mail:
        rights += _rights(MAIL, {"mail": stream}, mail_group=streams.mail_group)
    for channel, stream in ((channel, stream) for channel, of in streams.commands.items() for stream in of):
        of_channel = {
            "stream": stream,
            "witness": keys.witness_key(stream, "0/0"),
            "unread": keys.counted_key(stream),
            "limit": keys.limit_key(stream, channel),
        }
        identity = keys.identity_key(stream) if streams.in_cluster else keys.IDENTITY
        rights += [*_rights(CHANNEL, of_channel), *_rights(LOSS_AUDIT, {"identity": identity})]
    for channel in streams.queues or ():
        of_queue = {
            "next_look": keys.next_look_key(channel),
            "retention": keys.retention_key(f"commands:{channel}"),
            "audit": keys.audit_key(channel),
            "scan": keys.scan_key(channel),
            "look_back": keys.look_back_key(channel),
            "queue": keys.queue_key(channel),
            "acks": keys.acks_key("1", channel),
        }
        rights += _rights((*MUTEXES, *QUEUE), of_queue)
    return list(dict.fromkeys(rights))


def _of_service(streams: Streams) -> Iterator[Right]:
    """Yields the rights to what processes share, whatever the channel. It is on the Redis of REDIS_URL."""
    if streams.queues is not None:
        names = {
            "dramatiq": keys.DRAMATIQ,
            "heartbeats": keys.DRAMATIQ_HEARTBEATS,
            "queues": keys.DRAMATIQ_QUEUES,
            "processes": keys.PROCESSES,
            "retention": keys.retention_key("records"),
            "named": keys.NAMED,
            "given_up": keys.GIVEN_UP,
            "scan_run": keys.scan_run_key("1"),
            "slot": keys.doctor_key("1"),
        }
        yield from _rights(SERVICE, names)


def acl_rules(streams: Streams) -> list[str]:
    """Returns the rules of `ACL SETUSER` that give a user the service's rights, helpful ones too, and no others."""
    rights = [*needed_rights(streams), *_rights(HELPFUL, {})]
    patterns = dict.fromkeys([key_pattern(key) for key in streams.names])
    own = dict.fromkeys(sorted({key_pattern(key) for right in rights for key in right.keys}))
    commands = sorted({granting(right.command) for right in rights})
    return ["resetkeys", *{**patterns, **own}, "resetchannels", "-@all", *commands]


def user_of(url: str) -> str:
    """Returns the user that a Redis URL logs in as, or blank for the user `default`. Asks no server."""
    several = read_url(url)
    found = redis.connection.parse_url(url) if several is None else {}
    login = (found.get("username"), found.get("password")) if several is None else (several.username, several.password)
    # A name without a password may be a password in the wrong place, and must not be shown (R36).
    name = login[0] or "" if login[1] else ""
    return "" if name == "default" else name


def _rights(table: Sequence[tuple[str, str]], names: Mapping[str, str], **others: str) -> Iterator[Right]:
    """Fills the names into the table. names: those of keys."""
    for template, _why in table:
        words = {word: word.format(no_script="0" * 40, **names, **others) for word in template.split()}
        used = dict.fromkeys(text for word, text in words.items() if word[1:].partition("}")[0] in names)
        yield Right(tuple(words[word] for word in template.split()), tuple(used))


def command_name(command: Sequence[str]) -> str:
    """Returns the name of the command, with its subcommand if it has some: `XGROUP CREATE`."""
    return " ".join(command[: 2 if command[0] in _CONTAINERS else 1]).upper()


def granting(command: Sequence[str]) -> str:
    return f"+{command_name(command).lower().replace(' ', '|')}"


def key_pattern(key: str) -> str:
    """Returns the ACL pattern of this key: the whole family of our own keys, and literally the name of a stream."""
    family, colon, _ = key.partition(":")
    if colon and family in (keys.OWN, keys.DRAMATIQ):
        return f"~{family}:*"
    return "~" + "".join(f"\\{c}" if c in "*?[]\\" else c for c in key)
