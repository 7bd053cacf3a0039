"""Carrying the bytes of many connections to a server and back, late or not at all. One thread carries them all."""

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

from tests.faults.proxied_connection import End, Link, Loss, reset, write

T = TypeVar("T")
Address = str | tuple[str, int]
_CHUNK = 256 * 1024
# More than this in hand, and the source is left to wait.
_FULL = 4 * 1024 * 1024


class Carrier:
    """Listens on a port of 127.0.0.1. What it does with connections is for a proxy to say."""

    def __init__(self, server: Address, latency: float = 0.0) -> None:
        self._server, self._latency = server, latency
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._links: list[Link] = []
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
            self._reset(self._links)
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
            for link in self._waiting():
                self._watch(link)

    def _waiting(self) -> list[Link]:
        """Those with something to carry on. What is delayed has no event that says when it is due."""
        return [link for link in self._links if not link.held and (link.client.outgoing or link.server.outgoing)]

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
        link = Link(client, server)
        link.held = self._holding
        self._links.append(link)
        self._watch(link)

    def _hold(self, links: Iterable[Link]) -> int:
        newly = [link for link in links if not link.held]
        for link in newly:
            link.held = True
            self._watch(link)
        return len(newly)

    def _reset(self, links: Iterable[Link]) -> int:
        doomed = list(links)
        for link in doomed:
            self._drop(link)
        return len(doomed)

    def _drop(self, link: Link, close: Callable[[socket.socket], None] = reset) -> None:
        if link not in self._links:
            return
        self._links.remove(link)
        if link.losing is not None:
            self._losses.append(link.losing)
        for end in (link.client, link.server):
            with suppress(KeyError, ValueError):
                self._selector.unregister(end.socket)
            close(end.socket)

    def _watch(self, link: Link) -> None:
        """Waits for what each side may do now."""
        for end in (link.client, link.server):
            events = 0
            if not link.held:
                events |= selectors.EVENT_READ if link.other(end).size < _FULL else 0
                events |= selectors.EVENT_WRITE if end.outgoing and end.outgoing[0][0] <= time.monotonic() else 0
            known = self._selector.get_map().get(end.socket)
            if known is None and events:
                self._selector.register(end.socket, events, (link, end))
            elif known is not None and not events:
                self._selector.unregister(end.socket)
            elif known is not None and known.events != events:
                self._selector.modify(end.socket, events, (link, end))

    def _serve(self, link: Link, end: End, events: int) -> None:
        if link not in self._links or link.held:
            return
        try:
            if events & selectors.EVENT_READ:
                self._read(link, end)
            for each in (link.client, link.server) if not link.held else ():
                write(each)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                self._drop(link)
                return
        if link in self._links:
            self._watch(link)

    def _read(self, link: Link, end: End) -> None:
        data = end.socket.recv(_CHUNK)
        if not data:
            # Whatever it still had to say has been written by now.
            self._drop(link, socket.socket.close)
            return
        if end is link.client:
            if link.losing is None:
                link.losing = self._matching(data)
            link.held = bool(self._swallowed) and all(text in data for text in self._swallowed)
        elif link.losing is not None:
            loss, link.losing = link.losing, None
            if loss.worth(data):
                loss.happened.set()
                self._drop(link)
                return
            self._losses.append(loss)
        other = link.other(end)
        other.outgoing.append((time.monotonic() + self._delay, data))
        other.size += len(data)

    def _matching(self, request: bytes) -> Loss | None:
        for loss in self._losses:
            if all(text in request for text in loss.request):
                self._losses.remove(loss)
                return loss
        return None
