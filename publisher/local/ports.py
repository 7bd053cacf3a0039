"""Gives what runs in a folder the port of its last start there, or another one if that is taken."""

import errno
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from publisher.domain.errors import EmbeddedUnavailable
from publisher.local.children import Child

# Below the ports that systems give to clients, on Linux from 32768: what is free now stays so between two starts.
_PORTS = range(20_000, 32_000)
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Listening:
    """Where an embedded server listens on 127.0.0.1.

    taken: the port of the last start, if another program listens there by now; else None.
    """

    port: int
    taken: int | None = None


class PortTaken(EmbeddedUnavailable):
    """Another program listens on the port."""


def start_on_its_port(folder: Path, name: str, start: Callable[[int], Child]) -> tuple[Listening, Child]:
    """Starts the server, and writes its port into the folder for the next start.

    name: of the server, for people.
    start: starts it on a port. Raises PortTaken if another program listens there.
    Raises EmbeddedUnavailable if no port is free.
    """
    note = folder / "port"
    noted = _noted(note)
    for port in [*([noted] if noted else []), *random.SystemRandom().sample(_PORTS, _TRIES)]:
        try:
            process = start(port)
        except PortTaken:
            continue
        note.write_text(f"{port}\n")
        return Listening(port, taken=noted if noted != port else None), process
    raise EmbeddedUnavailable(f"the embedded {name} found no free port from {_PORTS.start} to {_PORTS.stop}")


def choose_port(preferred: int | None, note: Path | None) -> int:
    """Returns a port that is free now: the noted one, the preferred one, or another.

    preferred: None: any.
    note: the file that holds the port of the last start, and is written; None: nothing is noted.
    Raises EmbeddedUnavailable if no port is free.
    """
    noted = None if note is None else _noted(note)
    for port in (noted, preferred, *random.SystemRandom().sample(_PORTS, _TRIES)):
        if port and not is_taken(port):
            if note is not None:
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(f"{port}\n")
            return port
    raise EmbeddedUnavailable(f"the page found no free port from {_PORTS.start} to {_PORTS.stop}")


def is_taken(port: int) -> bool:
    """Whether a program listens on this port of 127.0.0.1."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return False
    except OSError as error:
        return error.errno == errno.EADDRINUSE


def _noted(note: Path) -> int | None:
    try:
        port = int(note.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if 1024 <= port < 65536 else None
