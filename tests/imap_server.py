"""A small IMAP server on a real socket, within TLS: as many commands as a reader of one mailbox sends."""

import re
import socket
import socketserver
import ssl
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import trustme


@dataclass(slots=True)
class ImapMailboxState:
    """What the server holds and was told.

    messages, flags: by UID.
    login: what PLAIN says of the user, if the login is to be accepted.
    refuse: the commands that are answered with NO.
    broken: UIDs of messages at which a FETCH ends, and is answered with NO.
    selected, examined: the mailbox that was opened, and the one that was opened to be read alone.
    sent: bytes of messages that were sent.
    plain: whether AUTH=PLAIN is offered.
    """

    messages: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    login: str = "\0ann\0pass word/é"
    refuse: set[str] = field(default_factory=set)
    broken: set[int] = field(default_factory=set)
    selected: str = ""
    examined: str = ""
    plain: bool = True
    port: int = 0
    sent: int = 0

    def deliver(self, message: bytes) -> int:
        """A new message arrives. Returns its UID."""
        uid = max(self.messages, default=4) + 3
        self.messages[uid] = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self.flags[uid] = set()
        return uid


@contextmanager
def imap_server(authority: trustme.CA, *, starttls: bool = False) -> Iterator[ImapMailboxState]:
    """Serves a mailbox on 127.0.0.1 until the block ends. starttls: TLS begins only when it is asked for."""
    state = ImapMailboxState()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                connection = self.request if starttls else context.wrap_socket(self.request, server_side=True)
                _Session(connection, state, context).serve()
            except (OSError, ssl.SSLError):
                # The client left, or does not trust this server.
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Session:
    def __init__(self, connection: socket.socket, state: ImapMailboxState, context: ssl.SSLContext) -> None:
        self.state, self.context = state, context
        self.begin(connection)

    def begin(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = cast("BinaryIO", connection.makefile("rb"))

    def say(self, *lines: str | bytes) -> None:
        for line in lines:
            self.connection.sendall((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def serve(self) -> None:
        self.say("* OK ready")
        while line := self.lines.readline().decode().rstrip("\r\n"):
            tag, command, *rest = line.split(" ", 2)
            self.answer(tag, command.upper(), rest[0] if rest else "")
            if command.upper() == "LOGOUT":
                break
        self.connection.close()

    def answer(self, tag: str, command: str, rest: str) -> None:
        name = rest.partition(" ")[0].upper() if command == "UID" else command
        if name in self.state.refuse:
            self.say(f"{tag} NO [CANNOT] not for ann@example.com")
            return
        said = getattr(self, name.lower())(rest) or "OK"
        self.say(f"{tag} {said} done")
        if name == "STARTTLS":
            self.begin(self.context.wrap_socket(self.connection, server_side=True))

    def capability(self, _: str) -> None:
        self.say(f"* CAPABILITY IMAP4rev1 STARTTLS {'AUTH=PLAIN' if self.state.plain else ''}".rstrip())

    def starttls(self, _: str) -> None:
        return

    def authenticate(self, _: str) -> str:
        self.say("+ ")
        return "OK" if b64decode(self.lines.readline()).decode() == self.state.login else "NO"

    def login(self, rest: str) -> str:
        user, password = re.findall(r'"((?:\\.|[^"\\])*)"', rest)
        return "OK" if f"\0{user}\0{password}" == self.state.login else "NO"

    def examine(self, rest: str) -> None:
        self.state.examined = rest
        self.say(f"* {len(self.state.messages)} EXISTS")

    def select(self, rest: str) -> None:
        self.state.selected = rest
        self.say(f"* {len(self.state.messages)} EXISTS")

    def search(self, rest: str) -> None:
        found = re.fullmatch(r"SEARCH (\d+):(\d+|\*) UNSEEN UNFLAGGED UNDELETED", rest)
        assert found is not None
        last = None if found[2] == "*" else int(found[2])
        part = sorted(self.state.flags)[int(found[1]) - 1 : last]
        unread = [uid for uid in part if not self.state.flags[uid] & {r"\Seen", r"\Flagged", r"\Deleted"}]
        self.say(" ".join(["* SEARCH", *map(str, unread)]))

    def fetch(self, rest: str) -> str | None:
        found = re.fullmatch(r"FETCH ([\d,]+) \(UID BODY\.PEEK\[\]<0\.(\d+)>\)", rest)
        assert found is not None
        for number, uid in enumerate(map(int, found[1].split(",")), start=1):
            if uid in self.state.broken:
                return "NO [SERVERBUG] cannot read the mail to ann@example.com"
            data = self.state.messages[uid][: int(found[2])]
            # Servers may name the UID before the text or after it.
            before, after = (f"UID {uid} ", "") if number % 2 else ("", f" UID {uid}")
            self.say(f"* {number} FETCH ({before}BODY[]<0> {{{len(data)}}}")
            self.connection.sendall(data)
            self.state.sent += len(data)
            self.say(f"{after})")
        return None

    def store(self, rest: str) -> None:
        found = re.fullmatch(r"STORE ([\d,]+) \+FLAGS\.SILENT \((\\\w+)\)", rest)
        assert found is not None
        for uid in map(int, found[1].split(",")):
            self.state.flags[uid].add(found[2])

    def logout(self, _: str) -> None:
        self.say("* BYE")
