"""The report of a chaos run: its figures as a table, and the minimums that a long run must reach."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.faults.fault_schedule import LOSSES, Kind
from tests.faults.run_result import RunResult

LEAST = {
    "SIGKILLs": 100,
    "pauses beyond the lease": 40,
    "kills of Valkey": 6,
    "Valkey back empty or old, after longer than the audit window": 6,
    "commands that Valkey lost, published again": 50,
    "deploys that rename the email stream": 3,
    "restarts of PostgreSQL": 4,
    "connections cut, stalled or black-holed": 100,
    "replies lost": 30,
    "routes": 30_000,
    "messages at the mailbox": 10_000,
    "faults of the SMTP server": 500,
}
_CONNECTIONS = ("connections cut", "connections stalled", "connections black-holed")
_TOLD = ("intents", "intents sent again", "malformed intents", "published", "dead letters (bad addresses)",
         "skipped (no address)", "expired (late)", "cancelled", "holds", "commands that Valkey lost, published again",
         "commands that Valkey lost once they were read", "of these, published again",
         "entries that Valkey lost, sent again", "processes started", "leases that ran out and were taken over",
         "routes whose lease ran out", "leases in a row that one route lost, at most",
         "further copies of them", "messages that the SMTP server took without its reply being sent")  # fmt: skip


class Row(NamedTuple):
    """One line of the table."""

    group: str
    what: str
    measured: str
    wanted: str = ""


def reached(result: RunResult) -> dict[str, int]:
    """What the run reached of what a long one must."""
    return {
        "SIGKILLs": result.counts["SIGKILLs"],
        "pauses beyond the lease": result.counts["pauses beyond the lease"],
        "kills of Valkey": result.happened[Kind.VALKEY],
        "Valkey back empty or old, after longer than the audit window": sum(result.happened[kind] for kind in LOSSES),
        "commands that Valkey lost, published again": result.counts["commands that Valkey lost, published again"],
        "deploys that rename the email stream": result.happened[Kind.RENAME],
        "restarts of PostgreSQL": result.happened[Kind.POSTGRESQL],
        "connections cut, stalled or black-holed": sum(result.counts[what] for what in _CONNECTIONS),
        "replies lost": result.happened[Kind.LOSE],
        "routes": result.counts["routes"],
        "messages at the mailbox": result.counts["messages at the mailbox"],
        "faults of the SMTP server": result.counts["faults of the SMTP server"],
    }


def shortfalls(result: RunResult) -> list[str]:
    """What a long run must have reached and did not."""
    return [f"{what}: {count}, not {LEAST[what]}" for what, count in reached(result).items() if count < LEAST[what]]


def table(result: RunResult) -> list[Row]:
    """Every figure."""
    return [*_promise(result), *_faults(result), *_recoveries(result)]


def _promise(result: RunResult) -> Iterator[Row]:
    def count(text: str) -> str:
        return str(sum(text in problem for problem in result.problems))

    yield Row("promise", "routes lost", count("was lost"), "0")
    yield Row("promise", "routes duplicated", count(" stands on its stream "), "0")
    yield Row("promise", "messages sent again with no lost reply to explain it", count(" times, and was unsure "), "0")
    yield Row("promise", "attempts unexplained", count(" attempts"), "0")
    yield Row("promise", "everything that is not as it must be", str(len(result.problems)), "0")
    for what in ("routes", "messages at the mailbox"):
        yield Row("sent", what, f"{result.counts[what]:,}", f"{LEAST[what]:,}")
    for what in _TOLD:
        yield Row("sent", what, f"{result.counts[what]:,}")
    for classification, failures in result.attempts.items():
        yield Row("sent", f"failed attempts recorded: {classification}", f"{failures:,}")


def _faults(result: RunResult) -> Iterator[Row]:
    for what, number in reached(result).items():
        if what not in ("routes", "messages at the mailbox"):
            yield Row("faults", what, f"{number:,}", f"{LEAST[what]:,}")
    for what in (*_CONNECTIONS, "backends terminated"):
        yield Row("faults", what, f"{result.counts[what]:,}")
    for reply, number in sorted(result.lost_replies.items()):
        yield Row("faults", f"replies lost: of {reply}", str(number))
    for kind in (Kind.TERM, Kind.TERM_TWICE, Kind.DEPLOY, Kind.KILL_BOTH, Kind.REFUSE, Kind.DELAY, Kind.FORGET):
        yield Row("faults", kind.value, str(result.happened[kind]))


def _recoveries(result: RunResult) -> Iterator[Row]:
    for r in result.recoveries:
        wanted = f"{r.bound:g} s" if r.bound else ""
        yield Row("recovery", r.what, f"p50 {r.p50:.2f} s, max {r.longest:.2f} s, {len(r.seconds)} times", wanted)
    for how in sorted({stopped.how for stopped in result.stopped}):
        seconds = sorted(stopped.seconds for stopped in result.stopped if stopped.how == how)
        p50, longest = seconds[len(seconds) // 2], seconds[-1]
        what = f"{how}: the process has ended with exit code 0"
        yield Row("recovery", what, f"p50 {p50:.2f} s, max {longest:.2f} s, {len(seconds)} times", "25 s")
