"""Notes in Redis about scans: when a channel was last scanned, and what an ad-hoc scan has done so far.

Hints alone: losing them costs a spare scan or an operator's answer.
"""

from dataclasses import dataclass

from actors.context import context
from publisher.publishing.report import Report
from publisher.streams.connection import translated

_RUN_TTL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class RunState:
    """What an ad-hoc scan has done so far. open: its messages that are not done yet."""

    open: int
    published: int
    rescheduled: int
    dead_lettered: int


def note_scan(channel: str) -> None:
    """Says that the channel is being scanned now."""
    with translated():
        context().redis.set(_seen_key(channel), 1, px=_silence_ms())


def claim_silence(channel: str) -> bool:
    """True, for one caller, if the channel has seen no scan for three intervals (R14a)."""
    with translated():
        return bool(context().redis.set(_seen_key(channel), 1, px=_silence_ms(), nx=True))


def begin(run: str) -> None:
    """Counts one more message of this run."""
    _count(run, open=1)


def finish(run: str, report: Report) -> None:
    """Counts one message of this run as done, with what it did."""
    _count(
        run,
        open=-1,
        published=report.published,
        rescheduled=len(report.rescheduled),
        dead_lettered=len(report.dead_lettered),
    )


def state(run: str) -> RunState:
    """What the run has done so far."""
    with translated():
        fields = context().redis.hgetall(_run_key(run))
    return RunState(*(int(fields.get(name.encode(), 0)) for name in RunState.__dataclass_fields__))


def _count(run: str, **counts: int) -> None:
    key = _run_key(run)
    with translated(), context().redis.pipeline(transaction=True) as pipe:
        for name, count in counts.items():
            pipe.hincrby(key, name, count)
        pipe.expire(key, _RUN_TTL_SECONDS)
        pipe.execute()


def _silence_ms() -> int:
    return round(context().scan_interval.total_seconds() * 3000)


def _seen_key(channel: str) -> str:
    return f"publisher:scan:{channel}"


def _run_key(run: str) -> str:
    return f"publisher:scan-run:{run}"
