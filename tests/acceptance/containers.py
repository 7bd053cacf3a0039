"""Containers without an engine: follows a Containerfile in a copy-on-write view of this machine's own root (Linux).

The base image is this machine: its root, and the Python of the tests. A stage is a folder of what its steps changed. A
container sees those changes over this machine's root, read-only, in namespaces of its own for mounts and processes.
"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ROOT, Process, Processes
from tests.waiting import wait_until

_UNSHARED = "unshare --mount --pid --fork --propagation private"
# $1: the stage, $2: the command of a step, which may write anywhere.
_BUILD = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/tmp"
exec chroot "$1/root" sh -c "$2"
"""
# $1: the image, $2: the user, $3: a socket of this machine to mount at $4. The rest: variables and the command.
_RUN = """
set -e
mount -t overlay overlay -o "ro,lowerdir=$1/changes:/" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
[ -z "$3" ] || mount --bind "$3" "$1/root$4"
root=$1 user=$2; shift 4
exec chroot "$root/root" setpriv --reuid "$user" --regid 0 --clear-groups env -i "$@"
"""
_SOCKET = "/run/postgresql/.s.PGSQL.5432"


def can_run_containers() -> bool:
    """True where this user may mount and make namespaces: root, on Linux, with the programs for it."""
    programs = ("unshare", "chroot", "setpriv", "mount")
    return sys.platform == "linux" and os.geteuid() == 0 and all(map(shutil.which, programs))


@dataclass
class Image:
    """What a Containerfile made. folder: holds its changes; on another file system than the root."""

    folder: Path
    user: str = "0"
    variables: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
    )

    def run(self, processes: Processes, command: str, environ: Mapping[str, str]) -> Process:
        """Starts a container: the command is its first process, with these variables and those of the image alone."""
        socket = ""
        variables = {**self.variables, **environ}
        if found := re.search(r"\?host=([^&]+)$", variables.get("DATABASE_URL", "")):
            socket = f"{found[1].replace('%2F', '/')}/{Path(_SOCKET).name}"
            variables["DATABASE_URL"] = variables["DATABASE_URL"].replace(found[1], str(Path(_SOCKET).parent))
        words = [
            *("sh", "-c", _RUN, "sh", str(self.folder), self.user, socket, _SOCKET),
            *(f"{name}={value}" for name, value in variables.items()),
        ]
        return processes.start(f"{_UNSHARED} {shlex.join(words)} {command}")


def build(containerfile: str, folder: Path) -> Image:
    """Follows the steps of a Containerfile, one after the other. folder: on another file system than the root."""
    stages: dict[str, Image] = {}
    for line in re.sub(r"\\\n\s*", " ", containerfile).splitlines():
        step, _, rest = line.strip().partition(" ")
        match step:
            case "" | "#":
                pass
            case "FROM":
                name = rest.partition(" AS ")[2] or "final"
                image = stages[name] = _base(folder / name)
            case "COPY":
                _copy(image, rest, stages)
            case "RUN":
                _step(image, rest)
            case "ENV":
                name, _, value = rest.partition("=")
                image.variables[name] = value.replace(f"${name}", image.variables.get(name, ""))
            case "USER":
                image.user = rest
            case "CMD":
                assert json.loads(rest)
            case _:
                raise AssertionError(f"no test follows the step {line!r}")
    # No folder for temporary files: to an overlay, this device stands for what is not there.
    os.mknod(image.folder / "changes" / "tmp", stat.S_IFCHR)
    return image


def first_process(container: Process) -> int:
    """The id, seen from here, of the container's first process, once that runs a program of the image."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")

    def started() -> int | None:
        for pid in children.read_text().split():
            # Before that it is what mounts, changes its root and its user, one after the other.
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/opt/publisher/"):
                return int(pid)
        return None

    return wait_until(started, describe=lambda: container.output) or 0


def _base(folder: Path) -> Image:
    """An image of this machine: `python` is the one that runs the tests, and everybody may run it."""
    for part in ("changes", "work", "root"):
        (folder / part).mkdir(parents=True)
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    image = Image(folder)
    # Beside its libraries, by which it finds them.
    image.variables["PATH"] = f"{python.parent}:{image.variables['PATH']}"
    _step(image, f"ln -sf {python} {python.parent}/python && chmod a+x {shlex.join(map(str, python.parents))}")
    socket = folder / "changes" / _SOCKET.lstrip("/")
    socket.parent.mkdir(parents=True, mode=0o755)
    socket.touch()
    return image


def _copy(image: Image, words: str, stages: Mapping[str, Image]) -> None:
    *options, source, target = words.split()
    if options:
        (option,) = options
        shutil.copytree(
            stages[option.removeprefix("--from=")].folder / "changes" / source.lstrip("/"),
            image.folder / "changes" / target.lstrip("/"),
            symlinks=True,
        )
        return
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT / source,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(lambda name: (ROOT / source / name).exists(), listed.stdout.splitlines()):
        copy = image.folder / "changes" / target.lstrip("/") / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source / name, copy)


def _step(image: Image, command: str) -> None:
    done = subprocess.run(
        [*_UNSHARED.split(), "sh", "-c", _BUILD, "sh", str(image.folder), command],
        env={**os.environ, **image.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"RUN {command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
