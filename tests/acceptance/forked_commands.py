"""Runs `publisher` commands, each in a process of its own that is forked after the imports.

Python's own start and the imports are most of what a command costs: `Forks` pays for them once. Each command has its
own environment, arguments and standard streams, and ends as every process does.

`python -m tests.acceptance.forked_commands DESCRIPTOR` is the process that forks. It reads requests from that socket:
a JSON object, with the descriptors of standard input, output and error, and of a pipe that takes the exit code.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from publisher.__main__ import main
from tests.acceptance.command_tree import leaves
from tests.processes import ELSEWHERE, ROOT, complete

# One request is one packet of the socket.
_REQUEST_BYTES = 200_000
_WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


class Forks:
    """A process that has imported every command, and forks one for each that is run."""

    def __init__(self, environ: Mapping[str, str | None]) -> None:
        """Starts the process. environ: what Python itself reads at its start, such as the locale."""
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.forked_commands", str(theirs.fileno())],
                env=complete(environ),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        """Ends the process."""
        self._requests.close()
        self._process.wait(_WITHIN_SECONDS)

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str | None], output: str = "captured", stdin: bytes = b""
    ) -> Done:
        """Runs a command to its end. Several threads may do so at once.

        output: `captured`, `full` or `closed`, what the command finds as standard output, or a number: a terminal of
            so many columns.
        """
        variables = {_as_json(name): _as_json(value) for name, value in complete(environ).items()}
        request = {"arguments": [*map(_as_json, arguments)], "environ": variables, "closed": output == "closed"}
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            given.write(stdin)
            given.seek(0)
            if output.isdecimal():
                code, shown = self._on_terminal(int(output), request, given, stderr)
            elif output == "full":
                with Path("/dev/full").open("wb", buffering=0) as full:
                    code, shown = _ended(self._begin(request, given, full, stderr)), b""
            else:
                code, shown = _ended(self._begin(request, given, stdout, stderr)), _written(stdout)
            return Done(code, shown, _written(stderr))

    def run_many(
        self, command_lines: Sequence[Sequence[str]], environ: Mapping[str, str | None], output: str = "captured"
    ) -> list[Done]:
        """Runs these command lines one after the other, as from a shell."""
        return [self.run(line, environ, output) for line in command_lines]

    def _on_terminal(self, columns: int, request: object, given: IO[bytes], stderr: IO[bytes]) -> tuple[int, bytes]:
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        with os.fdopen(ours, "rb", buffering=0) as screen:
            with os.fdopen(theirs, "wb", buffering=0) as terminal:
                code = self._begin(request, given, terminal, stderr)
            shown = b""
            # On Linux a terminal whose other side is closed is an error to read from.
            with suppress(OSError):
                while chunk := screen.read(65536):
                    shown += chunk
        return _ended(code), shown

    def _begin(self, request: object, *streams: IO[bytes]) -> IO[bytes]:
        packet = json.dumps(request).encode()
        assert len(packet) <= _REQUEST_BYTES
        ours, theirs = os.pipe()
        try:
            socket.send_fds(self._requests, [packet], [*(stream.fileno() for stream in streams), theirs])
        finally:
            os.close(theirs)
        return os.fdopen(ours, "rb")


def _as_json(text: str) -> str:
    # Bytes, as a shell passes them: the process that reads them has a locale of its own.
    return os.fsencode(text).decode("latin-1")


def _ended(code: IO[bytes]) -> int:
    with code:
        return int(code.read())


def _written(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _serve(requests: socket.socket) -> None:
    """Returns in each command's process, which is then to run it. Exits once there are no more requests."""
    # Those that wait for a command are nobody's to wait for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        packet, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 4)
        if not packet:
            sys.exit()
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            _begin(json.loads(packet), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _begin(request: Any, stdin: int, stdout: int, stderr: int, code: int) -> None:
    """Returns in the command's process. The other one waits for it, says how it ended, and ends, too."""
    if command := os.fork():
        signal.signal(signal.SIGALRM, lambda *_: os.kill(command, signal.SIGKILL))
        signal.alarm(_WITHIN_SECONDS)
        _, status = os.waitpid(command, 0)
        os.write(code, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.close(code)
    if request["closed"]:
        os.close(1)
        sys.stdout = None  # type: ignore[assignment]  # as Python starts then
    os.environb.clear()
    os.environb.update({name.encode("latin-1"): value.encode("latin-1") for name, value in request["environ"].items()})
    sys.argv[1:] = [os.fsdecode(word.encode("latin-1")) for word in request["arguments"]]


if __name__ == "__main__":
    # As every command of the tests: no `publisher up` in the checkout is found.
    os.chdir(ELSEWHERE)
    leaves()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    main()
