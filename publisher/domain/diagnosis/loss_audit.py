"""Whether every channel is audited: until a loss is looked for, what Redis lost stays lost (R12a)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.domain.diagnosis.verdict import Diagnosis, failed, ok, together, warning
from publisher.domain.diagnosis.wording import span

# An audit that is late by so many intervals is overdue.
OVERDUE_AFTER_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class AuditState:
    """How far the audits of a channel have come.

    audited_at, age: when the last one came to its end, and how long ago that is; None: none ever did. unaudited: for
    how long the oldest route has been published that no completed audit covers; None: there is none.
    """

    channel: str
    audited_at: datetime | None = None
    age: timedelta | None = None
    unaudited: timedelta | None = None

    def is_overdue(self, interval: timedelta) -> bool:
        """True if an audit should have ended long ago: there was something to look at, and nobody has."""
        patience = OVERDUE_AFTER_INTERVALS * interval
        waits = self.unaudited is not None and self.unaudited > patience
        return waits and (self.age is None or self.age > patience)


def audits(states: Iterable[AuditState], *, interval: timedelta, working: timedelta | None) -> Diagnosis:
    """Channels whose audit is overdue by three intervals.

    interval: between two audits; 0: they are off. working: how long the worker that has been up longest has been; None:
    none is. One that has worked for so long has failed to audit. Before that, as in a deploy after a pause, there is
    nothing to mend but to let workers run.
    """
    if interval <= timedelta(0):
        return ok("off: PUBLISHER_AUDIT_WINDOW is 0, see windows")
    at_work = working is not None and working > OVERDUE_AFTER_INTERVALS * interval
    complaints, well = [], []
    for state in states:
        last = "never audited" if state.age is None else f"last audited {span(state.age)} ago"
        if not state.is_overdue(interval):
            well.append(f"{state.channel}: {last}")
        elif at_work:
            complaints.append(
                failed(
                    f"{state.channel}: {last} to the end, due every {span(interval)}: what Redis lost since stays lost",
                    "read the workers' logs for 'an audit failed', and mend its reason",
                )
            )
        else:
            complaints.append(
                warning(
                    f"{state.channel}: {last}, and commands were published since",
                    "start workers (dramatiq publisher.actors): they audit within seconds",
                )
            )
    return together(complaints, "; ".join(well) or "no channel")
