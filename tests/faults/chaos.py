"""A whole run: servers, processes, producer and observer; then drills, then chaos, then silence, then the reckoning."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from publisher.streams.inbound import group_state
from tests.factories import GROUP, INTENTS
from tests.faults import reckoning
from tests.faults.fleet import Fleet, Stopped
from tests.faults.observer import Observer
from tests.faults.producer import Producer
from tests.faults.recovery import (
    KILLED,
    POSTGRESQL_BACK,
    TOLD,
    VALKEY_BACK,
    Drills,
    Recovery,
)
from tests.faults.schedule import FEW, MANY, SLOTS, Fault, Kind, plan
from tests.faults.servers import Servers
from tests.faults.wire import Loss
from tests.waiting import wait_until

LEASE_TTL, SCAN_INTERVAL = 3.0, 0.5
# What is promised where one fault comes alone.
BOUNDS = {KILLED: LEASE_TTL + SCAN_INTERVAL + 2, TOLD: 1.0, VALKEY_BACK: 5.0, POSTGRESQL_BACK: 5.0}
_AMID = {
    Kind.VALKEY: "Valkey is back amid other faults: the first command",
    Kind.POSTGRESQL: "PostgreSQL is back amid other faults: the first command",
}
# Long enough for every wait between two tries to have grown to its longest.
_DOWN = (1.0, 12.0, 3.0, 1.0)
_SENT_BEFORE_CHAOS = 20

_REQUESTS: Mapping[str, tuple[bytes, ...]] = {
    "COMMIT": (b"COMMIT",),
    "claim": (b"FOR UPDATE SKIP LOCKED",),
    "record": (b"status = 'published', published_at",),
    "append": (b"EVALSHA", b"publisher:witness:"),
    "XREADGROUP": (b"XREADGROUP",),
    "XACK": (b"XACK",),
}
# An empty answer is no loss.
_WORTH: Mapping[str, Callable[[bytes], bool]] = {
    "COMMIT": lambda reply: b"COMMIT" in reply,
    "claim": lambda reply: not reply.startswith(b"E") and b"SELECT 0\0" not in reply,
    "record": lambda reply: not reply.startswith(b"E") and b"UPDATE 0\0" not in reply,
    "XREADGROUP": lambda reply: not reply.startswith((b"-", b"*-1")),
}


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    seconds: float
    faults: Mapping[Kind, int]
    intents: int
    per_second: float
    drills: int
    brief: float
    email_attempts: int
    backoff_max: float
    # The part of the intents among which bad addresses are.
    bad_until: float
    slots: tuple[str, ...] = SLOTS


SHORT = Size(5.0, FEW, 160, 25.0, 0, 0.3, 12, 0.4, 0.5)


def long(minutes: float) -> Size:
    """The size that fits into so many minutes: two of them are for drills and for what comes before and after."""
    seconds = max(30.0, minutes * 60 - 150)
    # Drills last about 90 seconds, in which the producer is at work, too.
    return Size(seconds, MANY, 11_800, 11_800 / (seconds + 80), 4, 1.0, 30, 1.0, 0.9)


@dataclass
class Outcome:
    """What a run showed. happened: faults by kind. counts: everything else that was counted."""

    seed: int
    seconds: float = 0.0
    happened: Counter[Kind] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    lost_replies: Counter[str] = field(default_factory=Counter)
    recoveries: list[Recovery] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    attempts: Mapping[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Chaos:
    """One run. Faults are applied in threads of their own; each counts what it did."""

    def __init__(self, servers: Servers, fleet: Fleet, observer: Observer, outcome: Outcome) -> None:
        self._servers, self._fleet, self._observer, self._outcome = servers, fleet, observer, outcome
        self._lock = threading.Lock()
        self._losses: list[tuple[str, Loss]] = []
        self._returns: list[tuple[Kind, float]] = []
        self.measured: dict[str, list[float]] = defaultdict(list)

    def play(self, faults: list[Fault], say: Callable[[str], None]) -> None:
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
                self._outcome.problems.append(f"{fault}: {error!r}")
        self._servers.calm()
        for name, loss in self._losses:
            if loss.happened.is_set():
                self._outcome.happened[Kind.LOSE] += 1
                self._outcome.lost_replies[name] += 1

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
        elif fault.kind is Kind.FORGET:
            self._servers.valkey.forget_queues()
        elif fault.kind is Kind.BACKENDS:
            self._count("backends terminated", self._servers.postgresql.terminate_backends(0.5))
        else:
            self._to_network(fault)
        with self._lock:
            self._outcome.happened[fault.kind] += 1

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
            self._outcome.counts[what] += count


def run(seed: int, size: Size, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Does it all in this folder, and says what it does."""
    start = time.monotonic()
    outcome = Outcome(seed)
    say(f"seed {seed}")
    with ExitStack() as stack:
        servers = stack.enter_context(closing(Servers(folder)))
        fleet = stack.enter_context(closing(Fleet(_environ(servers, size), folder, size.slots)))
        observer = stack.enter_context(closing(Observer(servers.valkey.url)))
        for slot in fleet.slots.values():
            fleet.wait_until_ready(slot)
        producer = stack.enter_context(
            closing(
                Producer(
                    servers.valkey.url,
                    seed=seed,
                    per_second=size.per_second,
                    intents=size.intents,
                    bad_until=size.bad_until,
                )
            )
        )
        say(f"{time.monotonic() - start:.1f} s: everything runs")
        wait_until(lambda: observer.deliveries > _SENT_BEFORE_CHAOS)
        drills = Drills(servers, fleet, observer, producer)
        _drill(drills, size, outcome, say)
        chaos = Chaos(servers, fleet, observer, outcome)
        chaos.play(plan(seed, size.seconds, size.faults, size.brief), _with_count(say, observer))
        say(f"{time.monotonic() - start:.1f} s: all faults are over")
        wait_until(lambda: producer.done, within=120, describe=lambda: "the producer is not done")
        if producer.intents < size.intents:
            outcome.problems.append(f"the producer ended after {producer.intents} intents")
        _wait_until_quiet(servers, producer, say)
        say(f"{time.monotonic() - start:.1f} s: all is quiet")
        chaos.note_returns()
        fleet.stop_all()
        reckoning.settle(outcome, servers, fleet, observer, producer)
        measured = {**drills.measured, **chaos.measured}
        outcome.recoveries = [Recovery(what, seconds, BOUNDS.get(what)) for what, seconds in measured.items()]
    outcome.problems += [
        f"{r.what}: {r.longest:.2f} s, over {r.bound} s" for r in outcome.recoveries if r.bound and r.longest > r.bound
    ]
    outcome.seconds = time.monotonic() - start
    return outcome


def _environ(servers: Servers, size: Size) -> dict[str, str]:
    attempts = str(size.email_attempts)
    return {
        **servers.environ,
        "PUBLISHER_ROUTE_LEASE_TTL": str(LEASE_TTL),
        "PUBLISHER_SCAN_INTERVAL": str(SCAN_INTERVAL),
        "PUBLISHER_ROUTE_BACKOFF_MIN": "0.2",
        "PUBLISHER_ROUTE_BACKOFF_MAX": str(size.backoff_max),
        "PUBLISHER_DEDUP_WINDOW": "600",
        "PUBLISHER_AUDIT_WINDOW": "120",
        "PUBLISHER_EMAIL_MAX_ATTEMPTS": attempts,
        "PUBLISHER_PUSH_MAX_ATTEMPTS": attempts,
        "PUBLISHER_PUSH_STREAM_MAX_LEN": "0",
        "PUBLISHER_LOG_FORMAT": "json",
    }


def _drill(drills: Drills, size: Size, outcome: Outcome, say: Callable[[str], None]) -> None:
    for number in range(size.drills):
        drills.kill_workers()
        drills.stop_workers()
        drills.restart_valkey(_DOWN[number % len(_DOWN)])
        drills.restart_postgresql(_DOWN[number % len(_DOWN)])
        for what, seconds in drills.measured.items():
            say(f"drill {number + 1}: {what}: {seconds[-1]:.2f} s")
    outcome.counts["SIGKILLs"] += drills.kills
    for kind in (Kind.VALKEY, Kind.POSTGRESQL):
        outcome.happened[kind] += size.drills
    outcome.happened[Kind.KILL_BOTH] += size.drills
    outcome.happened[Kind.TERM] += 2 * size.drills


def _with_count(say: Callable[[str], None], observer: Observer) -> Callable[[str], None]:
    return lambda line: say(f"{line} ({observer.deliveries} delivered)")


def _wait_until_quiet(servers: Servers, producer: Producer, say: Callable[[str], None]) -> None:
    counts = "SELECT count(*), count(*) FILTER (WHERE status IN ('pending', 'failed')), count(lease_token) FROM routes"

    def quiet() -> bool:
        time.sleep(0.1)
        group = group_state(servers.valkey.client, INTENTS, GROUP)
        return servers.postgresql.rows(counts) == [(producer.routes, 0, 0)] and (group.lag, group.pending) == (0, 0)

    def describe() -> object:
        group = group_state(servers.valkey.client, INTENTS, GROUP)
        return producer.routes, servers.postgresql.rows(counts), group

    try:
        wait_until(quiet, within=90, describe=describe)
    except AssertionError as error:
        # The reckoning says what it is.
        say(f"it never became quiet: {error}")
