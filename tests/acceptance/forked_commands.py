"""Runs many `publisher` commands, each in a process of its own that is forked after the imports.

`python -m tests.acceptance.forked_commands OUTPUT` reads a JSON array of command lines. OUTPUT: `captured`, `full` or
`closed`, what each finds as standard output, or a number: a terminal of so many columns. Prints an object for each:
code, stdout and stderr, bytes as Latin-1.
"""

import json
import os
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any

import publisher.cli.app  # noqa: F401 - imported by `main`, here once for all
from publisher.__main__ import main
from tests.processes import ELSEWHERE, ROOT, complete


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    stdout: bytes
    stderr: bytes


def run_many(
    command_lines: Sequence[Sequence[str]], environ: Mapping[str, str | None], output: str = "captured"
) -> list[Done]:
    """Runs these command lines one after the other, as from a shell."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.forked_commands", output],
        env=complete(environ),
        cwd=ROOT,
        input=json.dumps([list(line) for line in command_lines]).encode(),
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    return [
        Done(done["code"], done["stdout"].encode("latin-1"), done["stderr"].encode("latin-1"))
        for done in map(json.loads, found.stdout.splitlines())
    ]


def _run(arguments: list[str], output: str) -> dict[str, object]:
    if output.isdecimal():
        return _on_terminal(arguments, int(output))
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if not child:
            os._exit(_command(arguments, output, stdout, stderr))
        _, status = os.waitpid(child, 0)
        written = [_written(file) for file in (stdout, stderr)]
    return {"code": os.waitstatus_to_exitcode(status), "stdout": written[0], "stderr": written[1]}


def _on_terminal(arguments: list[str], columns: int) -> dict[str, object]:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with tempfile.TemporaryFile() as stderr, os.fdopen(theirs, "wb", buffering=0) as terminal:
        child = os.fork()
        if not child:
            os._exit(_command(arguments, "captured", terminal, stderr))
        terminal.close()
        shown = b""
        # On Linux a terminal whose other side is closed is an error to read from.
        with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as screen:
            while chunk := screen.read(65536):
                shown += chunk
        _, status = os.waitpid(child, 0)
        error = _written(stderr)
    return {"code": os.waitstatus_to_exitcode(status), "stdout": shown.decode("latin-1"), "stderr": error}


def _command(arguments: list[str], output: str, stdout: Any, stderr: IO[bytes]) -> int:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open("/dev/full", os.O_WRONLY) if output == "full" else stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    if output == "closed":
        os.close(1)
        sys.stdout = None  # as Python starts then
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        return int(ended.code or 0)
    raise AssertionError("main ended without an exit code")


def _written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("latin-1")


if __name__ == "__main__":
    # As every command of the tests: no `publisher up` in the checkout is found.
    os.chdir(ELSEWHERE)
    # `main` would import it in each.
    import_module("publisher.cli.app")
    for line in json.load(sys.stdin):
        print(json.dumps(_run(line, sys.argv[1])), flush=True)
