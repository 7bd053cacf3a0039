"""Dramatiq's Redis broker with consumers that sleep until they are woken, and that outlive any fault of Redis.

The stock consumer polls an empty queue at growing intervals, up to dramatiq_worker_timeout: at a second, a
message waits half a second on average; at a few milliseconds, idle workers keep a core busy. Here enqueue also
pushes onto a wake list, and an idle consumer blocks on that list. The list is a hint alone: when one is lost,
the consumer looks by itself after the same timeout.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import dramatiq
import redis
import structlog
from dramatiq.brokers import redis as stock
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis
from dramatiq.errors import ConnectionClosed

from actors.queues import EACH_CHANNEL
from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.streams.connection import message as redis_message
from publisher.streams.dead_workers import give_back
from publisher.streams.keys import wake_key

_log = structlog.get_logger()
# More wake-ups than there are consumers to wake are of no use.
_WAKE_UPS = 64
_WAKE_TTL_MS = 60_000
_UPKEEP_EVERY_SECONDS = 5.0
# Whether it is there, and what it must have, is looked at when a process starts (actors.dramatiq_names).
_StockConsumer: Any = getattr(stock, "_RedisConsumer", dramatiq.Consumer)


class WakingBroker(RedisBroker):
    """A RedisBroker that wakes a consumer with each message it enqueues."""

    def __init__(
        self,
        *,
        client: redis.Redis,
        middleware: Sequence[dramatiq.Middleware],
        stopping: threading.Event | None = None,
        **options: int,
    ) -> None:
        """options: the stock broker's. The client's socket timeout bounds how long an idle consumer blocks.

        stopping: set once the process was told to stop.
        """
        # No upkeep by Dramatiq's script: it runs KEYS, which holds Redis up for as long as there are witnesses to walk
        # over. Ours is `maintain`.
        super().__init__(client=client, middleware=list(middleware), maintenance_chance=0, **options)
        self._stopping = stopping or threading.Event()
        self._given_up = False
        self._upkeep = threading.Lock()
        self._next_upkeep = 0.0

    @property
    def is_stopping(self) -> bool:
        """Whether the process was told to stop."""
        return self._stopping.is_set()

    def tell(self, say: Callable[[], None]) -> None:
        """Tells Redis of messages that are done, or given back. A process that stops tries once, for all of them.

        Dramatiq tries until Redis answers, and would outlive the time that a stop may take (R17). What Redis has
        not heard comes back by the heartbeat, or the scan finds it (R14).
        """
        if self._given_up:
            return
        try:
            with _faults_close():
                say()
        except ConnectionClosed as error:
            if not self._stopping.is_set():
                raise
            self._given_up = True
            _log.warning("stopping, and Redis was not told which messages are done", error=str(error))

    def maintain(self) -> None:
        """Gives back what dead workers have left, a few milliseconds' worth, if it was not done in the last seconds.

        A server that refuses it is said so, and keeps no message from being fetched. Raises RedisUnavailable.
        """
        if time.monotonic() < self._next_upkeep or not self._upkeep.acquire(blocking=False):
            return
        try:
            self._next_upkeep = time.monotonic() + _UPKEEP_EVERY_SECONDS
            given_back = give_back(
                self.client,
                self.namespace,
                self.get_declared_queues(),
                current_millis(),
                silent_for=timedelta(milliseconds=self.heartbeat_timeout),
                dead_letters_kept=timedelta(milliseconds=self.dead_message_ttl),
            )
            if given_back.more:
                self._next_upkeep = 0.0
        except RedisRefused as error:
            _log.warning("messages of dead workers were not given back; the scan does without them", error=str(error))
        finally:
            self._upkeep.release()

    @property
    def consumer_class(self) -> type["WakingConsumer"]:
        """The consumer that can be woken."""
        return WakingConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Declares a queue, which workers then consume; but not the name that stands for each channel's queue."""
        if queue_name != EACH_CHANNEL:
            super().declare_queue(queue_name)

    def wake_key(self, queue_name: str) -> str:
        """The list on which the consumers of this queue sleep."""
        return wake_key(self.namespace, queue_name)

    def do_enqueue(self, queue_name: str, message_id: str, data: bytes) -> None:
        """Called by `enqueue`: the stock command, then the wake-up."""
        self._dispatch("enqueue")(queue_name, message_id, data)
        key = self.wake_key(queue_name)
        with self.client.pipeline(transaction=False) as pipe:
            pipe.lpush(key, 1)
            pipe.ltrim(key, 0, _WAKE_UPS - 1)
            pipe.pexpire(key, _WAKE_TTL_MS)
            pipe.execute()


class WakingConsumer(_StockConsumer):  # type: ignore[misc]  # its base is looked up
    """A consumer that, where the stock one would sleep, blocks until a message is enqueued.

    That is in `__next__` alone: it returns None when nothing came, as the stock one does after its sleep, and
    the worker then looks after its delayed messages. So a consumer of a delay queue never blocks past the
    earliest of those it holds.

    Every fault of Redis is a ConnectionClosed to the worker, which then begins anew. The stock consumer lets a
    timeout through, and its thread ends for good when a second one follows while it gives messages back.
    """

    def __init__(self, broker: WakingBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)
        self.message_cache: list[Any] = []
        self._delayed_until: dict[str, int] = {}

    def __next__(self) -> dramatiq.MessageProxy | None:
        with _faults_close():
            if not self.message_cache:
                if self.broker.is_stopping:
                    # Takes no more (R17), and goes on saying that it lives: what it has is not for others yet.
                    self.broker.do_fetch(self.queue_name, 0)
                    time.sleep(min(self.timeout, 200) / 1000)
                    return None
                if self.outstanding_message_count >= self.prefetch:
                    # Full: as much as may be prefetched is being worked on.
                    time.sleep(min(self.timeout, 20) / 1000)
                    return None
                self.broker.maintain()
                self.message_cache = self.broker.do_fetch(
                    self.queue_name, self.prefetch - self.outstanding_message_count
                )
                if not self.message_cache:
                    self._sleep()
                    return None
            message: dramatiq.MessageProxy | None = super().__next__()
        if message is not None and isinstance(message.options.get("eta"), (int, float)):
            self._delayed_until[message.message_id] = int(message.options["eta"])
        return message

    def ack(self, message: dramatiq.MessageProxy) -> None:
        """The stock one; the message is not waited for any more."""
        self._delayed_until.pop(message.message_id, None)
        self.broker.tell(partial(super().ack, message))

    def nack(self, message: dramatiq.MessageProxy) -> None:
        """The stock one; the message is not waited for any more."""
        self._delayed_until.pop(message.message_id, None)
        self.broker.tell(partial(super().nack, message))

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """The stock one. Messages that cannot be given back return by Dramatiq's heartbeat, or the scan does."""
        self.broker.tell(partial(super().requeue, messages))

    def _sleep(self) -> None:
        patience = self.timeout
        if self._delayed_until:
            patience = min(patience, min(self._delayed_until.values()) - current_millis())
        # Blocking past the socket's timeout would look like a dead connection.
        socket_timeout: Any = self.broker.client.connection_pool.connection_kwargs.get("socket_timeout")
        if socket_timeout is not None:
            patience = min(patience, int(socket_timeout * 500))
        if patience > 0:
            self.broker.client.blpop([self.broker.wake_key(self.queue_name)], timeout=patience / 1000)


@contextmanager
def _faults_close() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise ConnectionClosed(redis_message(error)) from error
    except RedisUnavailable as error:
        raise ConnectionClosed(str(error)) from error
    except ConnectionClosed as error:
        if isinstance(error.message, redis.RedisError):
            raise ConnectionClosed(redis_message(error.message)) from error
        raise
