"""A TCP proxy in front of a server, with every fault that a network has."""

import random

from tests.faults.proxied_connection import Loss
from tests.faults.proxy_loop import Address, ProxyLoop


class Proxy(ProxyLoop):
    """Listens on a port of 127.0.0.1 and carries bytes to a server and back, until told otherwise.

    server: a path of a Unix socket, or host and port. latency: seconds that every byte takes anyway.
    Its methods may be called from any thread; each is done when it returns.
    """

    def stall(self) -> int:
        """Keeps every byte, of new connections too. All stay open. Returns how many connections it held."""

        def stall() -> int:
            self._holding = True
            return self._hold(self._connections)

        return self._do(stall)

    def black_hole(self, share: float, dice: random.Random) -> int:
        """Keeps every byte of some of the connections; new ones pass. Returns how many it held."""
        return self._do(lambda: self._hold([connection for connection in self._connections if dice.random() < share]))

    def swallow(self, *request: bytes) -> None:
        """From now on keeps every connection on which a request with these texts comes, that request first."""
        self._do(lambda: setattr(self, "_swallowed", request))

    def resume(self) -> None:
        """Lets everything through again: first what was kept, as late as it is."""

        def resume() -> None:
            self._holding, self._delay, self._swallowed = False, self._latency, ()
            for connection in list(self._connections):
                connection.held = False
                self._watch(connection)
            self._listen()

        self._do(resume)

    def cut(self, share: float = 1.0, dice: random.Random | None = None) -> int:
        """Resets connections, all or some, with whatever is on its way. Returns how many."""
        roll = dice.random if dice else lambda: 0.0
        return self._do(lambda: self._reset([connection for connection in self._connections if roll() < share]))

    def cut_held(self) -> int:
        """Resets the connections that are kept from moving: what they hold is never delivered. Returns how many."""
        return self._do(lambda: self._reset([connection for connection in self._connections if connection.held]))

    def refuse(self) -> int:
        """Resets every connection and refuses new ones. Returns how many it reset."""

        def refuse() -> int:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None
            return self._reset(self._connections)

        return self._do(refuse)

    def lead_to(self, server: Address) -> None:
        """Resets every connection, and leads new ones to another server."""

        def lead() -> None:
            self._server = server
            self._reset(self._connections)

        self._do(lead)

    def delay(self, seconds: float) -> None:
        """Carries every byte so much later."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def lose(self, loss: Loss) -> None:
        """Lets the next such request through, and resets its connection in the place of the reply."""
        self._do(lambda: self._losses.append(loss))

    def lose_nothing(self) -> None:
        """Forgets the losses that have not happened."""
        self._do(self._losses.clear)

    def connections(self) -> int:
        """How many there are."""
        return self._do(lambda: len(self._connections))
