"""Checks at every start that the installed Dramatiq has the private names that this service uses.

Another release of Dramatiq may rename any of them. Then the process ends with a clear error, instead of losing
messages.
"""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import dramatiq
from dramatiq.brokers import redis as stock
from dramatiq.brokers.stub import StubBroker

from publisher.domain.errors import SettingsError

# Lines of its script: the keys that `dead_workers.lua` and `publisher.streams.keys` know as well, the commands that
# `actors.broker` enqueues with, and the switch that keeps the script from its own upkeep.
_SCRIPT_LINES = (
    'local acks = namespace .. ":__acks__." .. worker_id',
    'local queue_acks = acks .. "." .. queue_name',
    'local heartbeats = namespace .. ":__heartbeats__"',
    'local queue_full_name = namespace .. ":" .. queue_name',
    'local queue_messages = queue_full_name .. ".msgs"',
    'local xqueue_full_name = namespace .. ":" .. queue_canonical_name .. ".XQ"',
    'local xqueue_messages = xqueue_full_name .. ".msgs"',
    'redis.call("hset", queue_messages, message_id, message_data)',
    'redis.call("rpush", queue_full_name, message_id)',
    'redis.call("lpop", queue_full_name)',
    'if do_maintenance == "1" then',
)
# Attributes of its consumer, which `actors.consumer` extends.
_CONSUMER = ("message_cache", "outstanding_message_count", "prefetch", "timeout", "queue_name", "broker")
_CONSUMER_METHODS = ("ack", "nack", "requeue", "__next__")
# Attributes of its worker: the queues that it consumes, and the messages that it has fetched.
_WORKER = ("consumers", "consumer_whitelist", "work_queue")


def check_dramatiq() -> None:
    """Raises SettingsError, which names all that is missing, if this release cannot use the installed Dramatiq."""
    missing = list(_missing())
    if missing:
        raise SettingsError(
            f"dramatiq {version('dramatiq')} is not one that this release can use, for want of {', '.join(missing)}:"
            " install the version that it was released with"
        )


def _missing() -> Iterator[str]:
    script = getattr(stock, "_scripts", {}).get("dispatch", b"").decode()
    yield from (f"the line {line!r} in its script" for line in _SCRIPT_LINES if line not in script)
    # Outside of its upkeep, KEYS could not be switched off.
    upkeep = script.partition('if do_maintenance == "1" then')[2].partition("\nend\n")[0]
    if '"keys"' in script.replace(upkeep, ""):
        yield "a script without KEYS"
    # `__getattr__` makes `do_fetch`.
    for name in ("_dispatch", "__getattr__"):
        if not callable(getattr(stock.RedisBroker, name, None)):
            yield f"RedisBroker.{name}"
    yield from _missing_of_consumer(getattr(stock, "_RedisConsumer", None))
    yield from (f"Worker.{name}" for name in _WORKER if not hasattr(dramatiq.Worker(StubBroker()), name))


def _missing_of_consumer(consumer: Any) -> Iterator[str]:
    if consumer is None:
        yield "_RedisConsumer"
        return
    made = consumer(None, "queue", 1, 1)
    yield from (f"_RedisConsumer.{name}" for name in _CONSUMER if not hasattr(made, name))
    # Its own methods: those of its base class do nothing.
    yield from (f"_RedisConsumer.{name}" for name in _CONSUMER_METHODS if name not in vars(consumer))
