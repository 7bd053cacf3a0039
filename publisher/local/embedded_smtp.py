"""An SMTP server that keeps all mail in a maildir, as a child of this process: see `publisher.local.smtp_server`."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from publisher.domain.errors import EmbeddedUnavailable
from publisher.local.children import Check, Child, go_on
from publisher.local.ports import Listening, PortTaken, is_taken, start_on_its_port

_START_TIMEOUT = timedelta(seconds=20)
_STOP_SECONDS = 10.0


@contextmanager
def smtp_server(folder: Path, keep: Sequence[int] = (), check: Check = go_on) -> Iterator[Listening]:
    """Runs the SMTP server with its mail in this folder, on the port of the last start there, and stops it.

    If another program listens on that port, it takes a free one. keep and check: those of `start_smtp_server`.
    """
    listening, process = start_on_its_port(
        folder, "SMTP server", lambda port: start_smtp_server(folder, port, keep, check)
    )
    try:
        yield listening
    finally:
        process.end(_STOP_SECONDS)


def start_smtp_server(folder: Path, port: int, keep: Sequence[int] = (), check: Check = go_on) -> Child:
    """A running SMTP server that answers on this port.

    keep: descriptors that it keeps open for as long as it runs. If there are any, it ends with this process.
    check: called again and again while it starts. An error that it raises stops it.
    Raises EmbeddedUnavailable; PortTaken if another program listens on the port.
    """
    if find_spec("aiosmtpd") is None:
        raise EmbeddedUnavailable(
            "the embedded SMTP server is not installed: pip install 'notification-publisher[embedded]',"
            " or set PUBLISHER_SMTP_URL"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "smtp.log").open("ab") as log:
        process = Child(
            [sys.executable, "-m", "publisher.local.smtp_server", "--port", str(port), "--folder", mail_folder(folder)],
            stop=signal.SIGTERM,
            tied=bool(keep),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=tuple(keep),
        )
    try:
        _wait_until_ready(process, port, folder, check)
    except BaseException:
        process.kill()
        process.end(_STOP_SECONDS)
        raise
    return process


def mail_folder(folder: Path) -> Path:
    """The maildir of a server whose data are in this folder."""
    return folder / "mail"


def _wait_until_ready(process: Child, port: int, folder: Path, check: Check) -> None:
    deadline = time.monotonic() + _START_TIMEOUT.total_seconds()
    while time.monotonic() < deadline and process.poll() is None:
        check()
        if _greets(port, process.pid):
            return
        time.sleep(0.02)
    if process.returncode is not None and is_taken(port):
        raise PortTaken(f"another program listens on port {port}: see the SMTP server's smtp.log in {folder}")
    raise EmbeddedUnavailable(f"the embedded SMTP server did not answer on port {port}: see smtp.log in {folder}")


def _greets(port: int, pid: int) -> bool:
    """Whether this server answers there, and not a stranger on the same port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            return client.recv(1024).startswith(f"220 localhost publisher-mailbox {pid}\r\n".encode())
    except OSError:
        return False
