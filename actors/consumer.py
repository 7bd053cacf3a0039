"""Dramatiq's consumer of one queue, which sleeps until a message wakes it, and outlives any error of Redis."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dramatiq
import redis
from dramatiq.brokers import redis as stock
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis
from dramatiq.errors import ConnectionClosed

from publisher.domain.errors import RedisRefused, RedisUnavailable
from publisher.streams.keys import queue_key
from publisher.streams.servers.connection import translated

# How many of Dramatiq's timeouts, a second each, an idle consumer sleeps. A message whose wake-up was lost waits no
# longer than that, and is also found with the next scan's wake-up. At two scan intervals the wake-ups of scans end the
# sleeps of two processes in turn.
_TIMEOUTS_ASLEEP = 10
# A sleeping consumer looks so often whether the process was told to stop. No command is sent for that.
_STOP_SECONDS = 0.5
# A private name: actors.dramatiq_names checks it, and its attributes, when a process starts.
_StockConsumer: Any = getattr(stock, "_RedisConsumer", dramatiq.Consumer)


class WakingConsumer(_StockConsumer):  # type: ignore[misc]  # its base is looked up
    """A consumer that blocks until a message is enqueued, where the stock consumer sleeps.

    It blocks in `__next__` alone, which returns None if no message came; the worker then handles its delayed messages.
    So a consumer of a delay queue never blocks past the time of the earliest message it holds. A consumer that nothing
    woke fetches only if messages wait: a look costs Redis one command.

    Every error of Redis becomes a ConnectionClosed, after which the worker starts the consumer anew. The stock consumer
    lets a timeout through, and its thread ends for good if a second one follows while it gives messages back.
    """

    def __init__(self, broker: RedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        """As the stock consumer. broker: a WakingBroker, which imports this module."""
        super().__init__(broker, queue_name, prefetch, timeout)
        self.message_cache: list[Any] = []
        self._delayed_until: dict[str, int] = {}
        self._is_woken = True
        # The last fetch left nothing in the queue. Each message that came since has its wake-up in the list.
        self._is_drained = False

    def __next__(self) -> dramatiq.MessageProxy | None:
        with faults_close():
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
def faults_close() -> Iterator[None]:
    """Turns every error of Redis into a ConnectionClosed that names the error of ours as its cause."""
    try:
        with translated():
            yield
    except (RedisRefused, RedisUnavailable) as error:
        raise ConnectionClosed(str(error)) from error
    except ConnectionClosed as error:
        if not isinstance(error.message, redis.RedisError):
            raise
        with faults_close():
            raise error.message from error
