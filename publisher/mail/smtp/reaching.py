"""Reaches a host by any of its addresses."""

import asyncio
import socket
from contextlib import ExitStack
from typing import Any


async def reach(host: str, port: int, seconds: float) -> socket.socket:
    """Connects to the first of the host's addresses that answers, in the order in which the system names them.

    Each address gets an equal part of the time: one that swallows packets, as IPv6 does behind some firewalls, leaves
    time for the others.
    seconds: for all of them together.
    Raises OSError for the last address that failed; UnicodeError if the host name is none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failed: OSError = ConnectionError("the host has no address")
    for family, kind, protocol, _, address in found:
        try:
            return await _connected(socket.socket(family, kind, protocol), address, seconds / len(found))
        except OSError as error:
            failed = error
    raise failed


async def _connected(connection: socket.socket, address: tuple[Any, ...], seconds: float) -> socket.socket:
    with ExitStack() as unless_connected:
        unless_connected.callback(connection.close)
        connection.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connection, address)
        unless_connected.pop_all()
    return connection
