"""Every key that the service uses in Redis: what it holds, who writes it, and when it expires. All names are made here.

Keys that one step touches together stand in one cluster slot, so that a cluster of one shard will do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# First words of the names of our own keys, and of Dramatiq's.
OWN = "publisher"
DRAMATIQ = "dramatiq"
PROCESSES = "publisher:processes"
IDENTITY = "publisher:identity"
DOCTOR = "publisher:doctor"
NAMED = "publisher:named-streams"
GIVEN_UP = "publisher:given-up"
DRAMATIQ_HEARTBEATS = "dramatiq:__heartbeats__"
DRAMATIQ_QUEUES = "dramatiq:__queues__"


@dataclass(frozen=True, slots=True)
class Key:
    """One key, or the keys of one shape.

    shape: the name, with {part} for each part that varies.
    types: the Redis types of its value.
    holds: the content.
    writer: who writes it.
    expires: how long after which event Redis removes the key, or None if it has no TTL.
    stays: why it has no TTL, or None if it has one.
    """

    shape: str
    types: frozenset[str]
    holds: str
    writer: str
    expires: str | None = None
    stays: str | None = None

    def names(self, name: str) -> bool:
        """True if this is the name of such a key."""
        parts = re.split(r"\{\w+\}", self.shape)
        return re.fullmatch(".+".join(map(re.escape, parts)), name, re.DOTALL) is not None


def _expiring(shape: str, type_: str, holds: str, writer: str, expires: str) -> Key:
    return Key(shape, frozenset(type_.split()), holds, writer, expires=expires)


def _staying(shape: str, type_: str, holds: str, writer: str, stays: str) -> Key:
    return Key(shape, frozenset(type_.split()), holds, writer, stays=stays)


_HINT = "taken for one period: `1`"
_DRAINS = "Dramatiq removes a message once it is done"
KEYS = (
    _expiring(
        *("publisher:witness:{slot}:{delivery}", "string hash", "the command's entry id; a hash if it has a tombstone"),
        *("append_once.lua, end_once.lua, stands.lua", "the dedup window after the last append"),
    ),
    _expiring(
        *("publisher:unread:{slot}", "hash", "group -> unread entries, where the server does not know the lag"),
        *("unread.py", "three trim intervals"),
    ),
    _expiring(
        *("publisher:limit:{slot}:{channel}", "hash", "the token bucket of a channel's rate limit"),
        *("append_once.lua, hope.lua", "the time in which it fills, and an hour"),
    ),
    _expiring(
        *("publisher:intents-losses:{slot}", "list", "losses of intents that are not in PostgreSQL yet, as JSON"),
        *("gap.lua, intake", "30 days after the last loss"),
    ),
    _expiring(
        *("publisher:intents-mark:{slot}", "string", "the entry id up to which every intent was committed"),
        *("intake", "30 days after the last intent"),
    ),
    _expiring(
        PROCESSES, "hash", "process id -> its last heartbeat", "heartbeat.lua", "an hour after the last heartbeat"
    ),
    _staying(
        *(IDENTITY, "string", "a random text that a Redis which lost its data does not have"),
        *("the loss audit", "it must last as long as the data"),
    ),
    _staying(
        *("publisher:identity:{slot}", "string", "the same, of one slot of a cluster"),
        *("the loss audit", "it must last as long as the data"),
    ),
    _expiring(
        *(NAMED, "hash", "address of a stream -> when a worker's settings last named it, in milliseconds"),
        *("workers", "30 days after a worker last wrote there"),
    ),
    _expiring(
        *(GIVEN_UP, "string", "what waits on streams that were given up, as JSON"),
        *("one worker", "five minutes after it looked"),
    ),
    _expiring(DOCTOR, "string", "8 kB of zeros, then `1`", "publisher doctor", "a second"),
    _expiring("publisher:doctor:{slot}", "string", "the same, in a slot of each shard", "publisher doctor", "a second"),
    _expiring("publisher:scan:{channel}", "string", "a scan has run: `1`", "workers", "three scan intervals"),
    _expiring(
        *("publisher:scan-run:{run}", "hash", "what an ad-hoc scan has done so far", "workers"),
        "an hour after the last",
    ),
    _expiring(
        *("publisher:next-look:{channel}", "string", "a scan is under way for when its rate limit lets routes through"),
        *("workers", "the time until that scan"),
    ),
    _expiring("publisher:audit:{channels}", "string", _HINT, "the auditor of one worker", "a scan interval"),
    _expiring("publisher:look-back:{channel}", "string", _HINT, "one publishing process", "the claim cursor's pause"),
    _expiring("publisher:retention:{work}", "string", _HINT, "one worker", "half the interval of this work"),
    _expiring(
        "dramatiq:{queue}.wake",
        "list",
        "wake-ups for idle workers; ours",
        "enqueue.lua, actors/broker.py, dead_workers.lua",
        "a minute",
    ),
    _staying(
        *(DRAMATIQ_QUEUES, "set", "the queues that any process has declared; ours"),
        *("dead_workers.lua", "as many as there are queues"),
    ),
    # Dramatiq's own.
    _staying(
        *(DRAMATIQ_HEARTBEATS, "zset", "worker -> when it was last heard of", "Dramatiq"),
        "dead_workers.lua removes a silent worker",
    ),
    _staying("dramatiq:__acks__.{worker_queue}", "set", "messages that a worker has fetched", "Dramatiq", _DRAINS),
    _staying("dramatiq:{queue}.XQ", "zset", "dead letters by age", "Dramatiq", "dead_workers.lua drops old ones"),
    _staying(
        "dramatiq:{queue}.msgs", "hash", "message id -> message; of .DQ and .XQ, too", "Dramatiq, enqueue.lua", _DRAINS
    ),
    _staying(
        "dramatiq:{queue}",
        "list",
        "ids of messages that wait; those that are delayed in .DQ",
        "Dramatiq, enqueue.lua",
        _DRAINS,
    ),
    # Their names are settings.
    _staying(
        "{stream}",
        "stream",
        "intents, delivery events, or the commands of one channel",
        "producers, consumers; append_once.lua",
        "trimmed",
    ),
)


def key_of(name: str) -> Key | None:
    """The entry of this key in KEYS, or None if there is none."""
    return next(_entries(name), None)


def _entries(name: str) -> Iterator[Key]:
    families = (f"{OWN}:", f"{DRAMATIQ}:")
    for key in KEYS:
        if key.names(name) and (key.shape != "{stream}" or not name.startswith(families)):
            yield key


@lru_cache(maxsize=64)
def hash_tag(stream: str) -> str:
    """The text that puts a key into the stream's cluster slot, when it stands in the key's name.

    Redis Cluster hashes the text in the first braces, or the whole key (its documentation, "Hash tags").
    """
    _, opened, rest = stream.partition("{")
    tag, closed, _ = rest.partition("}")
    return f"{{{tag if opened and closed and tag else stream}}}"


def witness_key(stream: str, delivery_id: str, replay: int = 0) -> str:
    """The key that says a delivery stands on the stream, in the stream's slot.

    A replay has a witness of its own, so that the first one does not keep it from the stream. Its number stands where a
    delivery id begins with a UUID: no delivery has the key of another's replay.
    """
    return f"publisher:witness:{hash_tag(stream)}:{f'replay-{replay}:' if replay else ''}{delivery_id}"


def counted_key(stream: str) -> str:
    """The hash of unread entries per group, where the server does not know the lag (R13), in the stream's slot."""
    return f"publisher:unread:{hash_tag(stream)}"


def limit_key(stream: str, channel: str) -> str:
    """The token bucket of the channel's rate limit (R30), in the stream's slot."""
    return f"publisher:limit:{hash_tag(stream)}:{channel}"


def identity_key(stream: str) -> str:
    """The random text that a cluster which lost its data does not have, in the stream's slot."""
    return f"publisher:identity:{hash_tag(stream)}"


def doctor_key(tag: str) -> str:
    """The key that doctor writes to a shard of a cluster. tag: a text whose slot that shard has."""
    return f"publisher:doctor:{hash_tag(tag)}"


def losses_key(stream: str) -> str:
    """The list of noticed losses of intents, in the stream's slot: gap.lua touches both in one step."""
    return f"publisher:intents-losses:{hash_tag(stream)}"


def mark_key(stream: str) -> str:
    """The mark up to which the stream's intents are committed, in the stream's slot."""
    return f"publisher:intents-mark:{hash_tag(stream)}"


def scan_key(channel: str) -> str:
    """The mutex of a channel that is scanned, or was within three scan intervals."""
    return f"publisher:scan:{channel}"


def next_look_key(channel: str) -> str:
    """The mutex of the scan that is sent for the time at which the channel's rate limit lets routes through."""
    return f"publisher:next-look:{channel}"


def scan_run_key(run: str) -> str:
    """The counts of one ad-hoc scan."""
    return f"publisher:scan-run:{run}"


def audit_key(channels: str) -> str:
    """The mutex of the process that looks whether audits of these channels are due. channels: with commas between."""
    return f"publisher:audit:{channels}"


def look_back_key(channel: str) -> str:
    """The mutex of the process whose claims look behind the claim cursor."""
    return f"publisher:look-back:{channel}"


def retention_key(work: str) -> str:
    """The mutex of the process that prunes, trims, or looks at streams that were given up.

    work: notifications, records, intents, commands:<channel> or given-up.
    """
    return f"publisher:retention:{work}"


def queue_key(queue: str) -> str:
    """Dramatiq's list of a queue. Delayed messages stand under `<key>.DQ`, dead letters under `<key>.XQ`."""
    return f"dramatiq:{queue}"


def wake_key(namespace: str, queue: str) -> str:
    """The list on which idle workers of a queue sleep. namespace: of Dramatiq's keys."""
    return f"{namespace}:{queue}.wake"


def acks_key(worker: str, queue: str) -> str:
    """Dramatiq's set of messages that a worker has fetched from a queue."""
    return f"dramatiq:__acks__.{worker}.{queue}"
