"""One connection through a proxy: its two ends, the bytes on the way to each, and a reply that is to be lost."""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field


def reset(end: socket.socket) -> None:
    """Closes a socket with a reset: what was not sent is thrown away."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    end.close()


@dataclass(eq=False)
class Loss:
    """A reply to be lost. request: texts that its request holds. worth: whether a reply is the one that was meant."""

    request: tuple[bytes, ...]
    worth: Callable[[bytes], bool] = lambda reply: not reply.startswith((b"-", b"E"))
    happened: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False)
class End:
    """One side of a connection, and what is on its way to it."""

    socket: socket.socket
    outgoing: deque[tuple[float, bytes]] = field(default_factory=deque)
    size: int = 0


class ProxiedConnection:
    """A connection: the client's end and the server's. held: nothing moves. losing: the reply that will be lost."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = End(client), End(server)
        self.held = False
        self.losing: Loss | None = None

    def other(self, end: End) -> End:
        """The end across from this one."""
        return self.server if end is self.client else self.client


def write(end: End) -> None:
    """Sends what is due, as far as the socket takes it. Raises OSError."""
    while end.outgoing and end.outgoing[0][0] <= time.monotonic():
        due, data = end.outgoing[0]
        sent = end.socket.send(data)
        end.size -= sent
        if sent < len(data):
            end.outgoing[0] = (due, data[sent:])
            return
        end.outgoing.popleft()
