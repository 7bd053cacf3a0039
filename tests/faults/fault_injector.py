"""Injects a schedule of faults into processes, servers and the network between them."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from tests.faults.fault_schedule import COPY_AGE, LOSSES, Fault, Kind
from tests.faults.fleet import Fleet
from tests.faults.invariants import RENAMED, STREAMS
from tests.faults.observer import Observer
from tests.faults.proxied_connection import Loss
from tests.faults.run_result import RunResult
from tests.faults.servers import Servers

_AMID = {
    Kind.VALKEY: "Valkey is back amid other faults: the first command",
    Kind.POSTGRESQL: "PostgreSQL is back amid other faults: the first command",
}

_REQUESTS: Mapping[str, tuple[bytes, ...]] = {
    "accept": (b"/* accept_intents */",),
    "claim": (b"/* claim_",),
    "record": (b"/* record_published */",),
    "append": (b"EVALSHA", b"publisher:witness:"),
    "XREADGROUP": (b"XREADGROUP",),
    "XACK": (b"XACK",),
}
# An empty answer is no loss.
_WORTH: Mapping[str, Callable[[bytes], bool]] = {
    "accept": lambda reply: b"SELECT 2\0" in reply or b"SELECT 3\0" in reply,
    "claim": lambda reply: b"VERROR\0" not in reply and b"SELECT 0\0" not in reply,
    "record": lambda reply: b"VERROR\0" not in reply and b"UPDATE 0\0" not in reply,
    # The last of a transaction's replies.
    "XREADGROUP": lambda reply: not reply.endswith((b"$-1\r\n", b"*-1\r\n", b"*0\r\n")),
}


class FaultInjector:
    """Injects the faults of one run, each in a thread of its own, and counts what each did."""

    def __init__(self, servers: Servers, fleet: Fleet, observer: Observer, result: RunResult) -> None:
        self._servers, self._fleet, self._observer, self._result = servers, fleet, observer, result
        self._lock = threading.Lock()
        self._losses: list[tuple[str, Loss]] = []
        self._renamed = False
        self._returns: list[tuple[Kind, float]] = []
        self.measured: dict[str, list[float]] = defaultdict(list)

    def inject(self, faults: list[Fault], say: Callable[[str], None]) -> None:
        """Makes every fault happen at its time, and ends when the last is over."""
        start = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            running: list[tuple[Fault, Future[None]]] = []
            for fault in faults:
                time.sleep(max(0.0, start + fault.at - time.monotonic()))
                say(str(fault))
                running.append((fault, pool.submit(self._apply, fault)))
        for fault, done in running:
            if error := done.exception():
                self._result.problems.append(f"{fault}: {error!r}")
        self._servers.calm()
        for name, loss in self._losses:
            if loss.happened.is_set():
                self._result.happened[Kind.LOSE] += 1
                self._result.lost_replies[name] += 1

    def note_returns(self) -> None:
        """Measures, once it is quiet, how soon publishing went on after each return of a server."""
        for kind, back in self._returns:
            first = self._observer.seen_since(back)
            if first is not None:
                self.measured[_AMID[kind]].append(first - back)

    def _apply(self, fault: Fault) -> None:
        if fault.kind is Kind.LOSE:
            loss = Loss(_REQUESTS[fault.detail], *([_WORTH[fault.detail]] if fault.detail in _WORTH else []))
            with self._lock:
                self._losses.append((fault.detail, loss))
            self._servers.proxy(fault.target).lose(loss)
            return
        if fault.target in self._fleet.slots or fault.kind is Kind.KILL_BOTH:
            self._to_process(fault)
        elif fault.kind in (Kind.VALKEY, Kind.POSTGRESQL):
            server = self._servers.valkey if fault.kind is Kind.VALKEY else self._servers.postgresql
            back = server.restart(fault.lasting)
            with self._lock:
                self._returns.append((fault.kind, back))
        elif fault.kind in LOSSES:
            self._lose_data(fault)
        elif fault.kind is Kind.RENAME:
            self._rename()
        elif fault.kind is Kind.FORGET:
            self._servers.valkey.forget_queues()
        elif fault.kind is Kind.BACKENDS:
            self._count("backends terminated", self._servers.postgresql.terminate_backends(0.5))
        else:
            self._to_network(fault)
        with self._lock:
            self._result.happened[fault.kind] += 1

    def _to_process(self, fault: Fault) -> None:
        if fault.kind is Kind.KILL_BOTH:
            names = [name for name in self._fleet.slots if name.startswith(fault.target)]
            self._count("SIGKILLs", self._fleet.kill(*names))
        elif fault.kind is Kind.KILL:
            self._count("SIGKILLs", self._fleet.kill(fault.target, how=fault.detail, dice=fault.dice))
        elif fault.kind is Kind.PAUSE:
            self._fleet.pause(fault.target, fault.lasting)
            self._count("pauses beyond the lease", 1)
        elif fault.kind is Kind.DEPLOY:
            self._fleet.replace(fault.target)
        else:
            self._fleet.terminate(fault.target, twice=fault.kind is Kind.TERM_TWICE)

    def _lose_data(self, fault: Fault) -> None:
        valkey, down = self._servers.valkey, fault.lasting
        if fault.kind is Kind.VALKEY_OLD:
            valkey.keep_copy()
            time.sleep(COPY_AGE)
            down -= COPY_AGE
        valkey.lose_data(down, all_of_it=fault.kind is Kind.VALKEY_EMPTY)

    def _rename(self) -> None:
        """The email stream's other name, from worker to worker; the next time the first one again."""
        with self._lock:
            self._renamed = not self._renamed
            name = RENAMED if self._renamed else STREAMS["email"]
        self._fleet.redeploy(
            [slot for slot in self._fleet.slots if slot.startswith("worker")], PUBLISHER_EMAIL_STREAM=name
        )

    def _to_network(self, fault: Fault) -> None:
        proxy, dice = self._servers.proxy(fault.target), random.Random(fault.dice)
        if fault.kind is Kind.CUT:
            self._count("connections cut", proxy.cut(dice.uniform(0.3, 1.0), dice))
            return
        if fault.kind is Kind.DELAY:
            proxy.delay(0.05)
        elif fault.kind is Kind.REFUSE:
            self._count("connections cut", proxy.refuse())
        elif fault.kind is Kind.STALL:
            self._count("connections stalled", proxy.stall())
        else:
            self._count("connections black-holed", proxy.black_hole(dice.uniform(0.3, 0.9), dice))
        time.sleep(fault.lasting)
        if fault.kind is Kind.BLACK_HOLE and dice.random() < 0.5:
            # Of the others, what was swallowed arrives late.
            proxy.cut_held()
        proxy.resume()

    def _count(self, what: str, count: int) -> None:
        with self._lock:
            self._result.counts[what] += count
