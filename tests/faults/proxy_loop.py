"""The event loop of a proxy: carries the bytes of many connections to a server and back, on time, late or never."""

import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from tests.faults.proxied_connection import End, Loss, ProxiedConnection, reset, write
from tests.processes import free_port

T = TypeVar("T")
Address = str | tuple[str, int]
_CHUNK = 256 * 1024
# More than this in hand, and the source is left to wait.
_FULL = 4 * 1024 * 1024


class ProxyLoop:
    """Listens on a port of 127.0.0.1. What it does with connections is for a proxy to say."""

    def __init__(self, server: Address, latency: float = 0.0) -> None:
        self._server, self._latency = server, latency
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", free_port()))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[ProxiedConnection] = []
        self._holding = False
        self._delay = latency
        self._losses: list[Loss] = []
        self._swallowed: tuple[bytes, ...] = ()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends every connection and the thread."""

        def close() -> None:
            self._reset(self._connections)
            self._closed = True

        self._do(close)
        self._thread.join()
        for end in (self._listener, self._wake, self._woken):
            if end is not None:
                end.close()
        self._selector.close()

    # Everything from here on runs in the proxy's own thread.

    def _do(self, work: Callable[[], T]) -> T:
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller, in another thread
                done.set_exception(error)

        self._calls.put(call)
        self._wake.send(b"!")
        return done.result(10)

    def _run(self) -> None:
        while not self._closed:
            for key, events in self._selector.select(self._patience()):
                if key.fileobj is self._woken:
                    with suppress(BlockingIOError):
                        self._woken.recv(4096)
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(*key.data, events)
            self._answer_calls()
            for connection in self._waiting():
                self._watch(connection)

    def _waiting(self) -> list[ProxiedConnection]:
        """Those with something to carry on. What is delayed has no event that says when it is due."""
        return [
            connection
            for connection in self._connections
            if not connection.held and (connection.client.outgoing or connection.server.outgoing)
        ]

    def _patience(self) -> float | None:
        return 0.005 if self._waiting() else None

    def _answer_calls(self) -> None:
        with suppress(Empty):
            while True:
                self._calls.get_nowait()()

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET)
        server.settimeout(1)
        try:
            server.connect(self._server)
        except OSError:
            reset(client)
            server.close()
            return
        for end in (client, server):
            end.setblocking(False)
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = ProxiedConnection(client, server)
        connection.held = self._holding
        self._connections.append(connection)
        self._watch(connection)

    def _hold(self, connections: Iterable[ProxiedConnection]) -> int:
        newly = [connection for connection in connections if not connection.held]
        for connection in newly:
            connection.held = True
            self._watch(connection)
        return len(newly)

    def _reset(self, connections: Iterable[ProxiedConnection]) -> int:
        doomed = list(connections)
        for connection in doomed:
            self._drop(connection)
        return len(doomed)

    def _drop(self, connection: ProxiedConnection, close: Callable[[socket.socket], None] = reset) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        if connection.losing is not None:
            self._losses.append(connection.losing)
        for end in (connection.client, connection.server):
            with suppress(KeyError, ValueError):
                self._selector.unregister(end.socket)
            close(end.socket)

    def _watch(self, connection: ProxiedConnection) -> None:
        """Waits for what each side may do now."""
        for end in (connection.client, connection.server):
            events = 0
            if not connection.held:
                events |= selectors.EVENT_READ if connection.other(end).size < _FULL else 0
                events |= selectors.EVENT_WRITE if end.outgoing and end.outgoing[0][0] <= time.monotonic() else 0
            known = self._selector.get_map().get(end.socket)
            if known is None and events:
                self._selector.register(end.socket, events, (connection, end))
            elif known is not None and not events:
                self._selector.unregister(end.socket)
            elif known is not None and known.events != events:
                self._selector.modify(end.socket, events, (connection, end))

    def _serve(self, connection: ProxiedConnection, end: End, events: int) -> None:
        if connection not in self._connections or connection.held:
            return
        try:
            if events & selectors.EVENT_READ:
                self._read(connection, end)
            for each in (connection.client, connection.server) if not connection.held else ():
                write(each)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                self._drop(connection)
                return
        if connection in self._connections:
            self._watch(connection)

    def _read(self, connection: ProxiedConnection, end: End) -> None:
        data = end.socket.recv(_CHUNK)
        if not data:
            # Whatever it still had to say has been written by now.
            self._drop(connection, socket.socket.close)
            return
        if end is connection.client:
            if connection.losing is None:
                connection.losing = self._matching(data)
            connection.held = bool(self._swallowed) and all(text in data for text in self._swallowed)
        elif connection.losing is not None:
            loss, connection.losing = connection.losing, None
            if loss.worth(data):
                loss.happened.set()
                self._drop(connection)
                return
            self._losses.append(loss)
        other = connection.other(end)
        other.outgoing.append((time.monotonic() + self._delay, data))
        other.size += len(data)

    def _matching(self, request: bytes) -> Loss | None:
        for loss in self._losses:
            if all(text in request for text in loss.request):
                self._losses.remove(loss)
                return loss
        return None
