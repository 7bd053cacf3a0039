"""Dramatiq's Redis broker, with consumers that sleep until they are woken and that survive any error of Redis.

The stock consumer polls an empty queue at growing intervals, up to dramatiq_worker_timeout. At a second, a message
waits half a second on average; at a few milliseconds, idle workers keep a core busy. This broker also pushes onto a
wake list when it enqueues, and an idle consumer blocks on that list. The list is a hint: if a wake-up is lost, the
consumer looks by itself after ten of those timeouts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis
from dramatiq.errors import ConnectionClosed

from actors.consumer import WakingConsumer, faults_close
from actors.queues import EACH_CHANNEL, URGENT
from publisher.domain.errors import RedisRefused
from publisher.streams.dead_workers import give_back
from publisher.streams.keys import queue_key, wake_key
from publisher.streams.scripts import script
from publisher.streams.servers.connection import translated

_log = structlog.get_logger()
# Queue, message id, the message, and whether it is urgent.
_Message = tuple[str, str, bytes, bool]
# More wake-ups than there are consumers would wake nobody.
_WAKE_UPS = 64
_WAKE_TTL_MS = 60_000
# How old this worker's heartbeat may become. Even if one fails, the next is within the heartbeat's timeout.
_HEARTBEAT_EVERY_SECONDS = 6.0


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
        """Opens no connection.

        client: of a pool that gives each thread a connection of its own.
        stopping: set once the process was told to stop.
        options: those of the stock broker.
        """
        # Dramatiq's script does no upkeep here: it runs KEYS, which walks over every witness and blocks Redis
        # meanwhile. `maintain` does it instead.
        super().__init__(client=client, middleware=list(middleware), maintenance_chance=0, **options)
        self._stopping = stopping or threading.Event()
        self._given_up = False
        self._upkeep = threading.Lock()
        self._next_upkeep = self._next_heartbeat = 0.0
        # By queue: how many messages waited there when this process last put one there.
        self.waiting: dict[str, int] = {}
        self._enqueue_script = client.register_script(script("enqueue"))
        # By thread: the messages of `together`.
        self._held = threading.local()

    @property
    def is_stopping(self) -> bool:
        """True once the process was told to stop."""
        return self._stopping.is_set()

    def tell(self, say: Callable[[], None]) -> None:
        """Calls `say`, which tells Redis that messages are done or given back. A process that stops tries once.

        Dramatiq tries until Redis answers, which may take longer than a stop may (R17). Messages that Redis was not
        told of come back by Dramatiq's heartbeat, or the scan finds their routes (R14).
        """
        if self._given_up:
            return
        try:
            with faults_close():
                say()
        except ConnectionClosed as error:
            if not self._stopping.is_set():
                raise
            self._given_up = True
            _log.warning("stopping, and Redis was not told which messages are done", error=str(error))

    def keep_alive(self, queue_name: str) -> None:
        """Writes this worker's heartbeat if no other command did so for a few seconds. Raises as redis-py does."""
        if time.monotonic() >= self._next_heartbeat:
            # Now, so that one consumer of all does it.
            self._next_heartbeat = time.monotonic() + _HEARTBEAT_EVERY_SECONDS
            self.do_fetch(queue_name, 0)

    def maintain(self) -> None:
        """Gives back messages of dead workers, once in a heartbeat's timeout and for a few milliseconds.

        So a dead worker's messages wait for twice that timeout and a consumer's sleep at most. A scan finds their
        routes once the lease is over (R5, R14). If Redis refuses, that is logged, and messages are fetched all the
        same. Raises RedisUnavailable.
        """
        if time.monotonic() < self._next_upkeep or not self._upkeep.acquire(blocking=False):
            return
        try:
            self._next_upkeep = time.monotonic() + self.heartbeat_timeout / 1000
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
    def consumer_class(self) -> type[WakingConsumer]:
        """The class of this broker's consumers."""
        return WakingConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Declares a queue, which workers then consume; but not the name that stands for each channel's queue."""
        if queue_name != EACH_CHANNEL:
            super().declare_queue(queue_name)

    def wake_key(self, queue_name: str) -> str:
        """Returns the key of the list on which idle consumers of this queue block."""
        return wake_key(self.namespace, queue_name)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Sends the messages that this thread enqueues meanwhile in one step of Redis, at the end.

        None is sent if the block raises. Raises RedisUnavailable, after which all or none were sent, or RedisRefused.
        """
        held: list[_Message] = []
        self._held.messages = held
        try:
            yield
        finally:
            self._held.messages = None
        self._enqueue(held)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        """Enqueues as the stock broker does; an urgent message before all others. Raises as `do_enqueue`."""
        self._held.is_urgent = bool(message.options.get(URGENT))
        return super().enqueue(message, delay=delay)

    def do_enqueue(self, queue_name: str, message_id: str, data: bytes) -> None:
        """Enqueues as the stock broker does, and wakes a consumer. Raises RedisUnavailable or RedisRefused."""
        message = queue_name, message_id, data, self._held.is_urgent
        held = getattr(self._held, "messages", None)
        if held is None:
            self._enqueue([message])
        else:
            held.append(message)

    def _enqueue(self, messages: Sequence[_Message]) -> None:
        # As the stock broker's script, without its heartbeat of a worker: who only enqueues is none.
        arguments: list[str | bytes | int] = [_WAKE_UPS, _WAKE_TTL_MS]
        for queue_name, message_id, data, is_urgent in messages:
            arguments += [queue_key(queue_name), self.wake_key(queue_name), message_id, data, int(is_urgent)]
        with translated():
            lengths = self._enqueue_script(keys=[self.namespace], args=arguments)
        for (queue_name, *_), length in zip(messages, lengths, strict=True):
            self.waiting[queue_name] = length

    def wake(self, queue_name: str) -> None:
        """Wakes a consumer for messages that were put into the queue otherwise. Raises RedisUnavailable, RedisRefused.

        One is enough: it fetches as many as it may, and then looks again.
        """
        key = self.wake_key(queue_name)
        with translated(), self.client.pipeline(transaction=False) as pipe:
            pipe.lpush(key, 1)
            pipe.pexpire(key, _WAKE_TTL_MS)
            pipe.execute()

    def _dispatch(self, command: str) -> Callable[..., Any]:
        """As the stock broker, whose script writes this worker's heartbeat with each command."""
        stock_dispatch = super()._dispatch(command)

        def dispatch(queue_name: str, *arguments: object) -> Any:
            reply = stock_dispatch(queue_name, *arguments)
            self._next_heartbeat = time.monotonic() + _HEARTBEAT_EVERY_SECONDS
            return reply

        return dispatch
