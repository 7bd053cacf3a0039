"""Recognizes a process manager that starts `release` beside the other lines of a Procfile, and stops all once one ends.

A platform with a release phase runs `release` alone and waits for its end. foreman, honcho and the like know no release
phase: they start every line at once, and the first line that ends takes the others with it.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

# The variables in which managers tell a process which line it is: `release`, or `release.1`.
_NAMED_IN = {
    "HONCHO_PROCESS_NAME": "honcho",
    "PS": "foreman or overmind",
    "FOREMAN_WORKER_NAME": "node-foreman",
}
# These set PORT alone, so they are known by their own name.
_UNNAMED = frozenset({"hivemind", "forego"})
_SHELLS = frozenset({"sh", "dash", "bash", "ash", "busybox", "zsh", "ksh"})


def manager_of_release(environ: Mapping[str, str]) -> str | None:
    """Returns the manager that runs this process as `release` and would stop every other line at its end.

    None: no such manager runs it, so `release` may end. Platforms with a release phase set none of these variables.
    hivemind and forego tell no process its name: under them every process counts as `release`.
    """
    for variable, manager in _NAMED_IN.items():
        if environ.get(variable, "").partition(".")[0] == "release":
            return manager
    if "PORT" in environ and (starter := _starter()) in _UNNAMED:
        return starter
    return None


def _starter() -> str:
    """Returns the name of the program that started this process. A shell that it started for it is passed over."""
    parent, name = _program(os.getppid())
    if name in _SHELLS:
        _, name = _program(parent)
    return name


def _program(pid: int) -> tuple[int, str]:
    """Returns the parent of a process, and the name of its program: 0 and nothing where neither can be read."""
    try:
        # "pid (name) state parent …"; the name may hold spaces and brackets.
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        return int(after.split()[1]), before.partition("(")[2]
    except OSError:
        pass
    try:
        # A system without /proc, such as macOS.
        listed = subprocess.run(
            ["ps", "-o", "ppid=,comm=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split(maxsplit=1)
    except OSError:
        return 0, ""
    return (int(listed[0]), Path(listed[1].strip()).name) if len(listed) == 2 else (0, "")
