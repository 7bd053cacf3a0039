"""The fleet: two of each process, as a platform runs them, restarted whenever one ends."""

import os
import signal
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from publisher.local.procfile import procfile
from tests.faults.fault_schedule import SLOTS
from tests.processes import COMMANDS, Process
from tests.waiting import wait_until

# R17, and what a platform gives at most.
PATIENCE = 25.0


@dataclass(frozen=True)
class Stopped:
    """A process that was told to stop. seconds: until it had. code: its exit code."""

    slot: str
    how: str
    seconds: float
    code: int | None


@dataclass
class Slot:
    """A place for one process. doomed: why the running one may end by itself, if it may."""

    name: str
    command: str
    process: Process
    lock: threading.RLock = field(default_factory=threading.RLock)
    doomed: str = ""

    @property
    def role(self) -> str:
        """`worker`, `intake`, `clock` or `mailer`."""
        return self.name.partition("-")[0]


class Fleet:
    """Two of every process of the Procfile; one of the workers is the Procfile's very own, with two processes."""

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: Path,
        slots: tuple[str, ...] = SLOTS,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """own: variables of one slot alone, by its name; no deploy changes them."""
        self._environ, self._folder, self._own = dict(environ), folder, own or {}
        self._all: list[Process] = []
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self._ready: set[int] = set()
        self.slots = {name: self._slot(name) for name in slots}
        self.stopped: list[Stopped] = []
        self.unexplained: list[str] = []
        self._keeper = threading.Thread(target=self._keep, name="platform", daemon=True)
        self._keeper.start()

    @property
    def started(self) -> int:
        """How many processes were started."""
        return len(self._all)

    @property
    def logs(self) -> Iterator[Path]:
        """The log of every process."""
        return (process.log for process in self._all)

    def wait_until_ready(self, slot: Slot, within: float = 30.0) -> None:
        """Returns once the process of this slot is at work. One that ends meanwhile is not waited for."""
        process = slot.process
        if process.pid not in self._ready:
            wait_until(
                lambda: process.is_ready or process.returncode is not None,
                within=within,
                describe=lambda: f"{slot.name}: {process.output[-3000:]}",
            )
            self._ready.add(process.pid)

    def kill(self, *names: str, how: str = "the group", dice: int = 0) -> int:
        """Kills the processes in these slots at once. Returns how many signals it took."""
        with self._held(names) as slots:
            killed = [(slot, slot.process) for slot in slots]
            for slot, process in killed:
                slot.doomed = "killed"
                _kill(process, how, dice)
            self._wait_for_successors(killed)
            return len(killed)

    def terminate(self, *names: str, twice: bool = False) -> list[Stopped]:
        """Tells the processes in these slots to stop, and waits until they have."""
        with self._held(names) as slots:
            told = [(slot, slot.process) for slot in slots]
            stopped = self._terminate(told, twice)
            self._wait_for_successors(told)
            return stopped

    def replace(self, name: str) -> list[Stopped]:
        """Starts a new process beside the old, and stops the old once the new one works."""
        with self._held([name]) as (slot,):
            old = slot.process
            slot.process, slot.doomed = self._start(name, slot.command), ""
            self.wait_until_ready(slot)
            stopped = self._terminate([(slot, old)], twice=False)
            slot.doomed = ""
            return stopped

    def redeploy(self, names: Collection[str], **settings: str) -> None:
        """Replaces these processes one after another by ones with other settings; old and new overlap (R15)."""
        with self._starting:
            self._environ |= settings
        for name in names:
            self.replace(name)

    def pause(self, name: str, seconds: float) -> None:
        """Stops the process in this slot with SIGSTOP, and lets it go on after so many seconds."""
        with self._held([name]) as (slot,):
            slot.process.signal(signal.SIGSTOP, group=True)
            try:
                self._closing.wait(seconds)
            finally:
                slot.process.signal(signal.SIGCONT, group=True)

    def stop_all(self) -> list[Stopped]:
        """Stops everything as a platform does that shuts down, every second one twice and by group."""
        self._closing.set()
        self._keeper.join()
        slots = list(self.slots.values())
        for slot in slots:
            self.wait_until_ready(slot)
        once, twice = ([(slot, slot.process) for slot in slots[start::2]] for start in (0, 1))
        with ThreadPoolExecutor(2) as pool:
            told = [pool.submit(self._terminate, once, False), pool.submit(self._terminate, twice, True)]
            return [stopped for each in told for stopped in each.result()]

    def left_over(self) -> list[int]:
        """Processes that still run in any group that was started here."""
        groups = {process.pid for process in self._all}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    def close(self) -> None:
        """Ends whatever still runs."""
        self._closing.set()
        self._keeper.join()
        for process in self._all:
            process.kill()

    def _slot(self, name: str) -> Slot:
        role = name.partition("-")[0]
        command = procfile()["worker"] if name == "worker-a" else COMMANDS[role]
        return Slot(name, command, self._start(name, command))

    def _start(self, name: str, command: str) -> Process:
        with self._starting:
            log = self._folder / f"{name}-{len(self._all)}.log"
            process = Process(command, {**self._environ, **self._own.get(name, {})}, log)
            self._all.append(process)
            return process

    def _keep(self) -> None:
        while not self._closing.wait(0.02):
            for slot in self.slots.values():
                ended = slot.process
                if ended.returncode is None:
                    continue
                if not slot.doomed:
                    self.unexplained.append(
                        f"{slot.name} ended by itself with exit code {ended.returncode}: {ended.output[-2000:]}"
                    )
                slot.doomed, slot.process = "", self._start(slot.name, slot.command)

    @contextmanager
    def _held(self, names: tuple[str, ...] | list[str]) -> Iterator[list[Slot]]:
        """The slots, all at work, and no one else's until this is over."""
        slots = [self.slots[name] for name in sorted(names)]
        for slot in slots:
            slot.lock.acquire()
        try:
            for slot in slots:
                self.wait_until_ready(slot)
            yield slots
        finally:
            for slot in slots:
                slot.lock.release()

    def _wait_for_successors(self, ended: list[tuple[Slot, Process]]) -> None:
        for slot, process in ended:
            wait_until(lambda: slot.process is not process or self._closing.is_set(), describe=lambda: slot.name)  # noqa: B023 - called at once

    def _terminate(self, told: list[tuple[Slot, Process]], twice: bool) -> list[Stopped]:
        start = time.monotonic()
        for slot, process in told:
            slot.doomed = "told to stop"
            for _ in range(2 if twice else 1):
                process.signal(signal.SIGTERM, group=twice)
        how = "SIGTERM twice, to the group" if twice else "SIGTERM"
        stopped = []
        for slot, process in told:
            with suppress(AssertionError):
                process.wait(max(0.0, start + PATIENCE - time.monotonic()))
            stopped.append(Stopped(slot.name, how, time.monotonic() - start, process.returncode))
        self.stopped += stopped
        return stopped


def _kill(process: Process, how: str, dice: int) -> None:
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if how == "the master alone":
            process.signal(signal.SIGKILL)
        elif how == "one child" and (children := psutil.Process(process.pid).children()):
            children[dice % len(children)].kill()
        else:
            process.signal(signal.SIGKILL, group=True)
