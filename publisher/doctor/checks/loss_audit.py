"""Whether every channel is audited: until a loss is looked for, what Redis lost stays lost (R12a)."""

from collections.abc import Iterable
from datetime import timedelta

from publisher.doctor.verdict import Diagnosis, failed, ok, together, warning
from publisher.operations.wording import span
from storage.audit_states import OVERDUE_AFTER_INTERVALS, AuditState


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
