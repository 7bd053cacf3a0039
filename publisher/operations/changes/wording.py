"""Words what an action on record was aimed at. The terminal and the page show the same."""

from collections.abc import Mapping
from typing import Any

from publisher.operations.changes.audited import ActionRecord

# They change one channel, hold or token, and count nothing.
_OF_ONE = frozenset(
    {"pause-channel", "resume-channel", "limit-channel", "add-hold", "remove-hold", "add-token", "revoke-token"}
)


def counts_many(record: ActionRecord) -> bool:
    """Whether the action's numbers say anything: they do not where it changes one channel, hold or token."""
    return record.action not in _OF_ONE


def aim(target: Mapping[str, Any]) -> str:
    """Words what an action was aimed at. The bound of its ids is left out: it says when the action was begun."""
    return target_words({name: value for name, value in target.items() if name != "up_to"}) or "all"


def target_words(target: Mapping[str, Any]) -> str:
    """Words a whole target: `channel=email resumed_by=ann,bob up_to=17`."""
    return " ".join(f"{name}={_value(value)}" for name, value in sorted(target.items()))


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
