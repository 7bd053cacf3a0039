"""Words figures and rates in few characters, for tables that must stay narrow."""

from publisher.cli.terminal.output import show
from publisher.operations.wording import coarse, figure
from storage.accepting.replays import ReplayRecord
from storage.counts.counts import Count
from storage.mail.progress import DeferredMail


def counted(found: Count) -> str:
    """Words a count: whole if it is exact, `~10.0M` if it is an estimate."""
    return f"~{figure(found.value)}" if found.estimated else f"{found.value:,}"


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
