"""Words figures and rates in few characters, for tables that must stay narrow."""

from datetime import timedelta

from publisher.cli.output import show
from publisher.operations.wording import coarse
from storage.counts import Count
from storage.mail_progress import DeferredMail
from storage.replays import ReplayRecord

_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"))


def figure(number: int) -> str:
    """Words a number in few characters: `99,999`, `123k`, `10.0M`."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:,}" if number < 100_000 else f"{number // 1000}k"


def counted(found: Count) -> str:
    """Words a count: whole if it is exact, `~10.0M` if it is an estimate."""
    return f"~{figure(found.value)}" if found.estimated else f"{found.value:,}"


def rate(count: int, span: timedelta) -> str:
    """Words how many a second that is, of `count` in this span: `0`, `0.4`, `1,234`."""
    a_second = count / span.total_seconds()
    if 0 < a_second < 0.1:
        return "<0.1"
    return f"{a_second:.1f}" if 0 < a_second < 10 else figure(round(a_second))


def replayed(replay: ReplayRecord | None) -> str | None:
    """Words the last replay of intents: whether it goes on or when it ended, and its counts; None if there was none."""
    if replay is None:
        return None
    when = "goes on" if replay.ended_at is None else f"ended {show(replay.ended_at)}"
    return f"{when}: {replay.replayed:,} of {replay.seen:,} intents taken in again"


def deferred(mail: DeferredMail) -> str:
    """Words how many messages are tried again later, and for how long the oldest has been tried."""
    if mail.oldest is None:
        return "0"
    return f"{'at least ' if mail.is_bound else ''}{mail.count:,}, the oldest for {coarse(mail.oldest)}"
