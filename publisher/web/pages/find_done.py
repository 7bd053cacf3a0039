"""Says on the page Find what a change came to, as it stands when the page is read: a link can claim nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from publisher.operations.changes.audited import ActionRecord, find_action
from publisher.operations.channels.channels import read_gate
from publisher.operations.holds.holds import list_holds
from publisher.operations.remedy.remedy import Remedy
from publisher.web.context import WebContext


@dataclass(frozen=True, slots=True)
class Done:
    """What a change came to. said: in one line. action: its id in the audit; None: see all actions."""

    said: str
    action: int | None = None


def done_query(remedy: Remedy, about: str, action: int | None) -> dict[str, object]:
    """Returns what the query of the next page says of a change that was made. action: as `carry_out_remedy` has it."""
    if action is not None:
        return {"action": action}
    return {"resumed" if remedy is Remedy.RESUME_CHANNEL else "removed": about}


def done(context: WebContext, query: Mapping[str, str]) -> Callable[[], Done] | None:
    """Returns what reads the result of the change that the query names; None if it names none."""
    action, hold, channel = query.get("action", ""), query.get("removed", ""), query.get("resumed", "")
    if _is_number(action):
        return partial(_of_action, context, int(action))
    if _is_number(hold):
        return partial(_of_hold, context, int(hold))
    if channel in context.settings.channels:
        return lambda: Done(f"{channel} is {read_gate(context.shown, channel).state.value}")
    return None


def _of_action(context: WebContext, id_: int) -> Done:
    record: ActionRecord = find_action(context.shown, id_)
    return Done(f"{record.action} by {record.by}: {record.done:,} of {record.matched:,}, {record.outcome.value}", id_)


def _of_hold(context: WebContext, number: int) -> Done:
    is_there = any(hold.id == number for hold in list_holds(context.shown))
    return Done(f"hold {number} is {'in force' if is_there else 'removed'}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
