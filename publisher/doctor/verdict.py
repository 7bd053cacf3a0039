"""A verdict, what it rests on, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check came out.

    FAILED: a promise is broken or about to be, and deploying again will not fix it. WARNING: look at it soon.
    UNKNOWN: the check could not see what it judges.
    """

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A verdict. finding: what was seen, one line. remedy: what to do, one line; blank where nothing is to do.

    Both may hold what strangers wrote: print them as such.
    """

    verdict: Verdict
    finding: str
    remedy: str = ""


_FROM_THE_WORST = (Verdict.FAILED, Verdict.WARNING, Verdict.UNKNOWN, Verdict.OK)
# As many complaints as a person reads of one check.
_SHOWN = 5


def ok(finding: str) -> Diagnosis:
    """All is well."""
    return Diagnosis(Verdict.OK, finding)


def warning(finding: str, remedy: str) -> Diagnosis:
    """Something to look at soon."""
    return Diagnosis(Verdict.WARNING, finding, remedy)


def failed(finding: str, remedy: str) -> Diagnosis:
    """Something to mend."""
    return Diagnosis(Verdict.FAILED, finding, remedy)


def unknown(finding: str, remedy: str) -> Diagnosis:
    """Something that could not be seen."""
    return Diagnosis(Verdict.UNKNOWN, finding, remedy)


def together(complaints: Sequence[Diagnosis], well: str) -> Diagnosis:
    """All complaints as one, with the worst verdict among them and the worst first; without any, that all is well.

    The first few findings are given in full, the others only as a number.
    """
    if not complaints:
        return ok(well)
    ordered = sorted(complaints, key=lambda c: _FROM_THE_WORST.index(c.verdict))
    shown, more = ordered[:_SHOWN], len(ordered) - _SHOWN
    findings = [c.finding for c in shown] + ([f"and {more:,} more"] if more > 0 else [])
    # Several complaints may have the same remedy.
    remedies = dict.fromkeys(c.remedy for c in shown if c.remedy)
    return Diagnosis(ordered[0].verdict, "; ".join(findings), "; ".join(remedies))
