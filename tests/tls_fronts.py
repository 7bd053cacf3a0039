"""A TLS port in front of a real server that has none: the certificate is its own, and the bytes are the server's."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The request by which a client of PostgreSQL asks for TLS, and the answer that grants it.
_SSL_REQUEST, _GRANTED = bytes.fromhex("0000000804d2162f"), b"S"
# The first byte of a client that speaks TLS.
_HANDSHAKE = b"\x16"


class Authority:
    """A certificate authority of one test. file: its certificate, for clients that are to trust it."""

    def __init__(self, folder: Path) -> None:
        # Here, so that only tests which use it need the package.
        import trustme

        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def context(self, name: str) -> ssl.SSLContext:
        """The side of a server whose certificate is for this name or address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        return context


@contextmanager
def front(
    target: str | tuple[str, int], context: ssl.SSLContext | None, *, asked: bool = False, either: bool = False
) -> Iterator[int]:
    """Listens on a port of 127.0.0.1 and passes each connection on to the target. Yields the port.

    target: the path of a Unix socket, or host and port.
    context: of TLS; None: the port is plain.
    asked: the client asks for TLS first, as those of PostgreSQL do.
    either: a client that begins without TLS goes on without.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    passed = client, target, context, asked, either
                    threading.Thread(target=_pass_on, args=passed, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _pass_on(
    client: socket.socket, target: str | tuple[str, int], context: ssl.SSLContext | None, asked: bool, either: bool
) -> None:
    with suppress(OSError), client, socket.socket(_family(target)) as server:
        server.connect(target)
        if context is not None and not (either and client.recv(1, socket.MSG_PEEK) != _HANDSHAKE):
            if asked:
                if client.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
                    return
                client.sendall(_GRANTED)
            client = context.wrap_socket(client, server_side=True)
        with client:
            answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
            answers.start()
            _pump(client, server)
            answers.join()


def _pump(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            drain.sendall(data)
    with suppress(OSError):
        drain.shutdown(socket.SHUT_RDWR)


def _family(target: str | tuple[str, int]) -> socket.AddressFamily:
    return socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
