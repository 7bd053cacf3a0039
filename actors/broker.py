"""Dramatiq's Redis broker, with consumers that sleep until they are woken and that survive any error of Redis.

The stock consumer polls an empty queue at growing intervals, up to dramatiq_worker_timeout. At a second, a message
waits half a second on average; at a few milliseconds, idle workers keep a core busy. This broker also pushes onto a
wake list when it enqueues, and an idle consumer blocks on that list. The list is a hint: if a wake-up is lost, the
consumer looks by itself after ten of those timeouts.
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
from publisher.streams.connection import translated
from publisher.streams.dead_workers import give_back
from publisher.streams.keys import queue_key, wake_key

_log = structlog.get_logger()
# More wake-ups than there are consumers would wake nobody.
_WAKE_UPS = 64
_WAKE_TTL_MS = 60_000
# How many of Dramatiq's timeouts, a second each, an idle consumer sleeps. A message whose wake-up was lost waits no
# longer than that, and is also found with the next scan's wake-up. At two scan intervals the wake-ups of scans end the
# sleeps of two processes in turn.
_TIMEOUTS_ASLEEP = 10
# A sleeping consumer looks so often whether the process was told to stop. No command is sent for that.
_STOP_SECONDS = 0.5
# How old this worker's heartbeat may become. Even if one fails, the next is within the heartbeat's timeout.
_HEARTBEAT_EVERY_SECONDS = 6.0
# A private name: actors.dramatiq_names checks it, and its attributes, when a process starts.
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
            with _faults_close():
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

        So a dead worker's messages wait for twice that timeout at most, which is as long as its leases last (R5). If
        Redis refuses, that is logged, and messages are fetched all the same. Raises RedisUnavailable.
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
    def consumer_class(self) -> type["WakingConsumer"]:
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
        """Sends the messages that this thread enqueues meanwhile in one round trip, at the end: all of them or none.

        Raises RedisUnavailable or RedisRefused.
        """
        held: list[tuple[str, str, bytes]] = []
        self._held.messages = held
        try:
            yield
        finally:
            self._held.messages = None
        self._enqueue(held)

    def do_enqueue(self, queue_name: str, message_id: str, data: bytes) -> None:
        """Enqueues as the stock broker does, and wakes a consumer. Raises RedisUnavailable or RedisRefused."""
        message = queue_name, message_id, data
        held = getattr(self._held, "messages", None)
        if held is None:
            self._enqueue([message])
        else:
            held.append(message)

    def _enqueue(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        # The commands of the stock broker's script, without its heartbeat of a worker: who only enqueues is none.
        with translated(), self.client.pipeline(transaction=True) as pipe:
            for queue_name, message_id, data in messages:
                queue, wake = queue_key(queue_name), self.wake_key(queue_name)
                pipe.hset(f"{queue}.msgs", message_id, data)
                pipe.rpush(queue, message_id)
                pipe.lpush(wake, 1)
                pipe.ltrim(wake, 0, _WAKE_UPS - 1)
                pipe.pexpire(wake, _WAKE_TTL_MS)
            lengths = pipe.execute()[1::5]
        for (queue_name, _, _), length in zip(messages, lengths, strict=True):
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


class WakingConsumer(_StockConsumer):  # type: ignore[misc]  # its base is looked up
    """A consumer that blocks until a message is enqueued, where the stock consumer sleeps.

    It blocks in `__next__` alone, which returns None if no message came; the worker then handles its delayed messages.
    So a consumer of a delay queue never blocks past the time of the earliest message it holds. A consumer that nothing
    woke fetches only if messages wait: a look costs Redis one command.

    Every error of Redis becomes a ConnectionClosed, after which the worker starts the consumer anew. The stock consumer
    lets a timeout through, and its thread ends for good if a second one follows while it gives messages back.
    """

    def __init__(self, broker: WakingBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)
        self.message_cache: list[Any] = []
        self._delayed_until: dict[str, int] = {}
        self._is_woken = True
        # The last fetch left nothing in the queue. Each message that came since has its wake-up in the list.
        self._is_drained = False

    def __next__(self) -> dramatiq.MessageProxy | None:
        with _faults_close():
            if not self.message_cache:
                if self.broker.is_stopping:
                    # It takes no more messages (R17), but goes on with its heartbeat, so that no other worker gets
                    # those it holds. A wake-up that it was given is another's now.
                    self.broker.do_fetch(self.queue_name, 0)
                    if self._is_woken:
                        self._is_woken = False
                        self.broker.wake(self.queue_name)
                    time.sleep(min(self.timeout, 200) / 1000)
                    return None
                if self.outstanding_message_count >= self.prefetch:
                    # As many messages as may be prefetched are being worked on.
                    time.sleep(min(self.timeout, 20) / 1000)
                    return None
                self.broker.maintain()
                if not self._is_drained and (self._is_woken or self._waiting()):
                    free = self.prefetch - self.outstanding_message_count
                    self.message_cache = self.broker.do_fetch(self.queue_name, free)
                    self._is_drained = len(self.message_cache) < free
                if not self.message_cache:
                    self._is_drained = False
                    self._sleep()
                    return None
            message: dramatiq.MessageProxy | None = super().__next__()
        if message is not None and isinstance(message.options.get("eta"), (int, float)):
            self._delayed_until[message.message_id] = int(message.options["eta"])
        return message

    def ack(self, message: dramatiq.MessageProxy) -> None:
        """As the stock consumer; a delayed message is then no longer waited for."""
        self._delayed_until.pop(message.message_id, None)
        self.broker.tell(partial(super().ack, message))

    def nack(self, message: dramatiq.MessageProxy) -> None:
        """As the stock consumer; a delayed message is then no longer waited for."""
        self._delayed_until.pop(message.message_id, None)
        self.broker.tell(partial(super().nack, message))

    def requeue(self, messages: Iterable[dramatiq.MessageProxy]) -> None:
        """As the stock consumer, and wakes another. Messages that are not given back return by Dramatiq's heartbeat."""
        if given_back := list(messages):
            self.broker.tell(partial(super().requeue, given_back))
            self.broker.tell(partial(self.broker.wake, self.queue_name))

    def _waiting(self) -> bool:
        """True if messages wait in the queue."""
        return bool(self.broker.client.llen(queue_key(self.queue_name)))

    def _sleep(self) -> None:
        """Sleeps until a wake-up comes, a delayed message is due, or the process is told to stop."""
        patience = self.timeout * _TIMEOUTS_ASLEEP
        if self._delayed_until:
            patience = min(patience, min(self._delayed_until.values()) - current_millis())
        self.broker.keep_alive(self.queue_name)
        self._is_woken = patience > 0 and self._block(patience / 1000)

    def _block(self, seconds: float) -> bool:
        """Blocks on the wake list. Returns True if a wake-up came.

        The socket's timeout is for answers that should come at once, and does not count here.
        """
        pool = self.broker.client.connection_pool
        connection, ends = pool.get_connection(), time.monotonic() + seconds
        try:
            connection.send_command("BLPOP", self.broker.wake_key(self.queue_name), seconds)
            while not connection.can_read(timeout=_STOP_SECONDS) and time.monotonic() < ends:
                if self.broker.is_stopping:
                    connection.disconnect()
                    return False
                self.broker.keep_alive(self.queue_name)
            return connection.read_response() is not None
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


@contextmanager
def _faults_close() -> Iterator[None]:
    """Turns every error of Redis into a ConnectionClosed that names the error of ours as its cause."""
    try:
        with translated():
            yield
    except (RedisRefused, RedisUnavailable) as error:
        raise ConnectionClosed(str(error)) from error
    except ConnectionClosed as error:
        if not isinstance(error.message, redis.RedisError):
            raise
        with _faults_close():
            raise error.message from error
