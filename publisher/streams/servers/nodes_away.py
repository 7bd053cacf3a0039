"""Which nodes of a cluster are away: while one is, the answers of the others do not end the outage (R35)."""

import threading
import time
from collections.abc import Callable, Collection

import redis

# Host and port.
Node = tuple[str, int]
# A node that has not failed for so long may have no stream any more, and is not asked: it ends no outage by itself.
_REMEMBERED_SECONDS = 90.0


class NodesAway:
    """The nodes of one cluster that are away, as far as this process has noticed. Safe to share between threads."""

    def __init__(self, on_answer: Callable[[], None] | None) -> None:
        """on_answer: called after each answer that comes while no node is away; None: nobody asks."""
        self._on_answer = on_answer
        self._lock = threading.Lock()
        # When it failed last, on the monotonic clock.
        self._failed: dict[Node, float] = {}

    def faulted(self, node: Node, error: redis.RedisError) -> None:
        """Notes a fault. A node that answers is not away, even if it says that a slot has moved."""
        if isinstance(error, redis.ConnectionError | redis.TimeoutError):
            with self._lock:
                self._failed[node] = time.monotonic()

    def is_away(self, node: Node) -> bool:
        """Returns whether this node has failed, and has not answered since."""
        return node in self._failed

    def answered(self, node: Node) -> None:
        """Notes that this node did what it was asked."""
        # Asked after every answer: nearly always no node is away.
        if self._failed:
            with self._lock:
                self._failed.pop(node, None)
                since = time.monotonic() - _REMEMBERED_SECONDS
                self._failed = {node: at for node, at in self._failed.items() if at > since}
        if not self._failed and self._on_answer is not None:
            self._on_answer()

    def keep(self, nodes: Collection[Node]) -> None:
        """Forgets all but these, which alone have slots: another one has taken over from each that is forgotten."""
        with self._lock:
            self._failed = {node: at for node, at in self._failed.items() if node in nodes}
