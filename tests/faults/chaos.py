"""A chaos run: servers, processes, producer, observer and mailbox; recovery drills; faults; quiet; then the checker."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from publisher.streams.group_reading import stream_groups
from tests.factories import GROUP, INTENTS
from tests.faults import run_checker
from tests.faults.chaos_mail import STREAM_OF, ChaosMail
from tests.faults.controls import LIMITS, Controls
from tests.faults.fault_injector import FaultInjector
from tests.faults.fault_schedule import AUDIT_WINDOW, FEW, MANY, SLOTS, Kind, plan
from tests.faults.fleet import Fleet
from tests.faults.following import SomeServers
from tests.faults.invariants import over_their_limits
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
from tests.faults.run_result import RunResult
from tests.faults.servers import Servers
from tests.waiting import wait_until

LEASE_TTL, SCAN_INTERVAL = 3.0, 0.5
# What is promised where one fault comes alone.
BOUNDS = {KILLED: LEASE_TTL + SCAN_INTERVAL + 2, TOLD: 1.0, VALKEY_BACK: 5.0, POSTGRESQL_BACK: 5.0}
# Long enough for every wait between two tries to have grown to its longest.
_DOWN = (1.0, 12.0, 3.0, 1.0)
_SENT_BEFORE_CHAOS = 20
# Channels of which no loss audit has begun and ended since Valkey was back: what it lost is taken for published there.
_NOT_AUDITED = "SELECT count(*) FROM stream_audits WHERE (covered_to >= %s) IS NOT TRUE"


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


def run(seed: int, size: Size, folder: Path, say: Callable[[str], None]) -> RunResult:
    """Does it all in this folder, and says what it does."""
    start = time.monotonic()
    result = RunResult(seed)
    say(f"seed {seed}")
    with ExitStack() as stack:
        servers = stack.enter_context(closing(Servers(folder)))
        mail = stack.enter_context(closing(ChaosMail(folder, seed)))
        fleet = stack.enter_context(
            closing(
                Fleet(
                    environment(servers, size.email_attempts, size.backoff_max) | mail.environ,
                    folder,
                    size.slots,
                    {slot: {"PUBLISHER_EMAIL_STREAM": stream} for slot, stream in STREAM_OF.items()},
                )
            )
        )
        observer = stack.enter_context(closing(Observer(servers.valkey.url)))
        controls = stack.enter_context(closing(Controls(servers.postgresql, seed)))
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
        _drill(drills, size, result, say)
        mail.begin()
        injector = FaultInjector(servers, fleet, observer, result)
        injector.inject(plan(seed, size.seconds, size.faults, size.brief), _with_count(say, observer))
        say(f"{time.monotonic() - start:.1f} s: all faults are over")
        mail.calm()
        wait_until(lambda: producer.done, within=120, describe=lambda: "the producer is not done")
        if producer.intents < size.intents:
            result.problems.append(f"the producer ended after {producer.intents} intents")
        controls.close()
        result.counts += controls.counts
        wait_until_quiet(servers, producer, say, mail)
        say(f"{time.monotonic() - start:.1f} s: all is quiet")
        injector.note_returns()
        fleet.stop_all()
        run_checker.check_run(result, servers, fleet, observer, producer)
        result.problems += mail.problems(servers)
        result.counts += mail.counts()
        result.problems += over_their_limits(servers.valkey.client, LIMITS)
        measured = {**drills.measured, **injector.measured}
        result.recoveries = [Recovery(what, seconds, BOUNDS.get(what)) for what, seconds in measured.items()]
    result.problems += [
        f"{r.what}: {r.longest:.2f} s, over {r.bound} s" for r in result.recoveries if r.bound and r.longest > r.bound
    ]
    result.seconds = time.monotonic() - start
    return result


def environment(servers: SomeServers, email_attempts: int, backoff_max: float) -> dict[str, str]:
    """What the processes of a run are told: where the servers are, and short times."""
    attempts = str(email_attempts)
    return {
        **servers.environ,
        "PUBLISHER_ROUTE_LEASE_TTL": str(LEASE_TTL),
        "PUBLISHER_SCAN_INTERVAL": str(SCAN_INTERVAL),
        "PUBLISHER_ROUTE_BACKOFF_MIN": "0.2",
        "PUBLISHER_ROUTE_BACKOFF_MAX": str(backoff_max),
        "PUBLISHER_DEDUP_WINDOW": "600",
        "PUBLISHER_AUDIT_WINDOW": str(AUDIT_WINDOW),
        "PUBLISHER_EMAIL_MAX_ATTEMPTS": attempts,
        "PUBLISHER_PUSH_MAX_ATTEMPTS": attempts,
        "PUBLISHER_EMAIL_STREAM_CEILING": "0",
        "PUBLISHER_PUSH_STREAM_CEILING": "0",
        "PUBLISHER_LOG_FORMAT": "json",
    }


def _drill(drills: Drills, size: Size, result: RunResult, say: Callable[[str], None]) -> None:
    for number in range(size.drills):
        drills.kill_workers()
        drills.stop_workers()
        drills.restart_valkey(_DOWN[number % len(_DOWN)])
        drills.restart_postgresql(_DOWN[number % len(_DOWN)])
        for what, seconds in drills.measured.items():
            say(f"drill {number + 1}: {what}: {seconds[-1]:.2f} s")
    result.counts["SIGKILLs"] += drills.kills
    for kind in (Kind.VALKEY, Kind.POSTGRESQL):
        result.happened[kind] += size.drills
    result.happened[Kind.KILL_BOTH] += size.drills
    result.happened[Kind.TERM] += 2 * size.drills


def _with_count(say: Callable[[str], None], observer: Observer) -> Callable[[str], None]:
    return lambda line: say(f"{line} ({observer.deliveries} delivered)")


def wait_until_quiet(
    servers: SomeServers, producer: Producer, say: Callable[[str], None], mail: ChaosMail | None = None
) -> None:
    """Returns once every loss is found, every intent accepted and every route final, or says what never came to rest.

    mail: of a run in which every email is sent, too.
    """
    counts = "SELECT count(*), count(*) FILTER (WHERE status IN ('pending', 'failed')), count(lease_token) FROM routes"

    def quiet() -> bool:
        time.sleep(0.1)
        if servers.postgresql.rows(_NOT_AUDITED, servers.valkey.running_since) != [(0,)]:
            return False
        group = stream_groups(servers.valkey.that_has(INTENTS), INTENTS).state(GROUP)
        if servers.postgresql.rows(counts) != [(producer.routes, 0, 0)] or group.unread or group.pending:
            return False
        return mail is None or mail.is_quiet(servers)

    def describe() -> object:
        group = stream_groups(servers.valkey.that_has(INTENTS), INTENTS).state(GROUP)
        return producer.routes, servers.postgresql.rows(counts), group

    try:
        wait_until(quiet, within=90, describe=describe)
    except AssertionError as error:
        # The reckoning says what it is.
        say(f"it never became quiet: {error}")
