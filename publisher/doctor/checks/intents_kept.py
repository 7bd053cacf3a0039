"""Whether every acknowledged intent is in PostgreSQL, and none was removed from its stream unread."""

from collections.abc import Sequence
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, warning
from publisher.domain.entry_ids import LARGEST, place
from publisher.domain.instants import readable
from publisher.domain.loss import LossCause
from publisher.operations.wording import span
from storage.accepting.losses import LossRecord
from storage.accepting.replays import ReplayReason, ReplayRecord

_WHY = {
    ReplayReason.OTHER_SERVER: "it was restarted, or is another server",
    ReplayReason.OLDER_DATA: "it has less than Redis knows it had",
    ReplayReason.NO_DATA: "it was empty",
}
_HOW = {
    LossCause.TRIMMED: "removed from the stream unread",
    LossCause.PENDING: "removed from the stream before they were accepted",
    LossCause.NOT_REPLAYED: "lost by PostgreSQL, and published too long ago to be taken in again unasked",
}
_RUN_INTAKE = "see that 'publisher intake' runs: it looks for what is missing, and its logs say more"
# Longer than any lease: whoever was at it is gone.
_SILENT = timedelta(minutes=1)


def replayed(*, settled: bool, mark: str | None, last: ReplayRecord | None) -> Diagnosis:
    """Whether intents are missing that were acknowledged, and what was taken in again.

    settled: nothing says that PostgreSQL went back. mark: up to where every intent is committed; None: not known yet.
    last: the latest replay, if there was one.
    """
    if last is not None and last.ended_at is None:
        done = f"{last.seen:,} looked at, {last.replayed:,} taken in again"
        progress = f"intents that PostgreSQL may lack are looked for since {readable(last.begun_at)}: {done}"
        if last.silent is not None and last.silent > _SILENT:
            return failed(f"{progress}, and nobody has been at it for {span(last.silent)}", _RUN_INTAKE)
        return warning(progress, "wait: new intents are accepted meanwhile")
    if not settled:
        return warning("PostgreSQL was restarted, or is another server: it may lack acknowledged intents", _RUN_INTAKE)
    if mark is None:
        return ok("how far intents are committed is not marked yet")
    if last is None or last.ended_at is None:
        return ok(f"every intent {_until(mark)} is committed")
    again = f"at {readable(last.ended_at)} {last.replayed:,} of {last.seen:,} were taken in again"
    return ok(
        f"every intent {_until(mark)} is committed; {again}, since PostgreSQL may have gone back: {_WHY[last.reason]}"
    )


def _until(mark: str) -> str:
    milliseconds, number = place(mark)
    # The greatest id of a millisecond stands before the first entry that is not acknowledged.
    return f"before {milliseconds + 1}-0" if number == LARGEST else f"up to {mark}"


def lost(losses: Sequence[LossRecord]) -> Diagnosis:
    """Whether intents were lost that no operator knows of yet."""
    if not losses:
        return ok("no intent was lost that nobody knows of")
    newest = losses[0]
    entries = "an unknown number of" if newest.entries is None else f"{newest.entries:,}"
    finding = (
        f"{entries} intents were {_HOW[newest.cause]}, between {newest.after_id} and {newest.before_id}, noticed at"
        f" {readable(newest.noticed_at)}"
    )
    if len(losses) > 1:
        finding += f"; and {len(losses) - 1:,} losses before"
    again = " or 'publisher intents replay --older-too'," if newest.cause is LossCause.NOT_REPLAYED else ""
    return failed(
        finding,
        f"have their producers send them again,{again} then: publisher intents losses acknowledge {newest.id}",
    )
