"""Words a verdict: each finding in one line, and what to do about it. The terminal and the page show the same."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from publisher.operations.verdict.given_up_wording import READ_THEM
from publisher.operations.verdict.verdict import Cause, Finding, Verdict
from publisher.operations.wording import coarse, one_line

# What to do, each short enough for a line: most are commands to paste.
_REMEDIES: Mapping[Cause, str] = {
    Cause.POSTGRESQL_UNREAD: "publisher doctor",
    Cause.REDIS_UNREAD: "publisher doctor",
    Cause.NO_WORKER: "dramatiq publisher.actors",
    Cause.NO_INTAKE: "publisher intake",
    Cause.NO_CLOCK: "publisher scheduler run",
    Cause.NOT_INSTALLED: "install the package of that channel beside the workers",
    Cause.CIRCUIT_OPEN: "mend the stream: the channel is probed every few seconds, and opens by itself",
    Cause.HELD_BACK: "start or mend the stream's reader: the channel opens by itself",
    Cause.LOSSES: "publisher intents losses list",
    Cause.AUDIT_OVERDUE: "publisher doctor",
    Cause.LATE: "publisher doctor",
    Cause.INTENTS_LATE: "publisher doctor",
    Cause.EVENTS_LATE: "publisher doctor",
    Cause.UNANSWERED: "publisher routes list --unanswered --channel {channel}",
    Cause.ANSWERED_FAILED: "publisher routes list --answer failed --channel {channel}",
    Cause.NOT_READ: "start or mend the stream's reader: publisher channels list",
    Cause.READER_GONE: "have a living consumer take them over (XAUTOCLAIM): publisher channels list",
    Cause.GIVEN_UP: READ_THEM,
    Cause.NO_MAIL: "publisher mailer check",
    Cause.LIMITED: "publisher channels limit {channel} RATE",
    Cause.PAUSED: "publisher channels resume {channel}",
    Cause.HOLDS: "publisher holds list",
    Cause.HELD_MAIL: "publisher mailer held list",
    Cause.DEAD_LETTERS: "publisher dead-letters list",
    Cause.MALFORMED: "publisher malformed list",
    Cause.NOTHING_SENT: "publisher intents send FILE",
}

_SAID: Mapping[Cause, str] = {
    Cause.POSTGRESQL_UNREAD: "{detail}",
    Cause.SCHEMA_BEHIND: "{detail}",
    Cause.REDIS_UNREAD: "{number} due{lasting}: {detail}",
    Cause.NO_WORKER: "{number} due{lasting}: no worker runs",
    Cause.NO_INTAKE: "{intents} to be accepted{oldest}: no intake runs",
    Cause.NO_CLOCK: "no clock runs: without its scans workers look less often",
    Cause.NOT_INSTALLED: "{number} open{on}: no channel of that name is installed here",
    Cause.CIRCUIT_OPEN: "{number} due{on}: parked{lasting}, its stream takes no commands: {detail}",
    Cause.HELD_BACK: "{number} due{on}: held back{lasting} by the stream's ceiling: {detail}",
    Cause.LOSSES: "{number} loss{es} of intents not acknowledged, the newest noticed{ago}",
    Cause.AUDIT_OVERDUE: "the loss audit of {channel} is overdue: {ended}",
    Cause.LATE: "{number} due{lasting}{on}: workers run, and do not keep up",
    Cause.INTENTS_LATE: "{intents} to be accepted{oldest}: an intake runs, and does not keep up",
    Cause.EVENTS_LATE: "{number} delivery event{s} not taken in{oldest}",
    Cause.UNANSWERED: "{number} command{s} unanswered{on}{oldest}: {detail}",
    Cause.ANSWERED_FAILED: (
        "{number} command{s}{on} {were} answered `failed` in the last hour, the newest{ago}: {detail}"
    ),
    Cause.NOT_READ: "{number} command{s} unread{on}{oldest}: {detail}",
    Cause.READER_GONE: "{number} command{s} held{on} by consumers silent{lasting}: {detail}",
    Cause.GIVEN_UP: "{entries} on streams that were given up: {detail}",
    Cause.NO_MAIL: "{number} mailer{s} can send no mail{lasting}: {detail}",
    Cause.LIMITED: "{number} due{lasting}{on}: within its rate limit, {detail}",
    Cause.PAUSED: "{number} due{on}: paused by {by}{ago}, until it is resumed: {detail}",
    Cause.HOLDS: "{number} hold{s} in force, the newest by {by}{ago}: {detail}",
    Cause.HELD_MAIL: "{number} message{s} held, the newest{ago}: the SMTP server may have accepted {them}",
    Cause.DEAD_LETTERS: "{number} dead letter{s}, the newest{ago}: {detail}",
    Cause.MALFORMED: "{number} malformed intent{s}, the newest{ago}: {detail}",
    Cause.NOTHING_SENT: "nothing was ever sent{runs}",
    Cause.ALL_WELL: "all is well",
}
# What is said instead where nothing waits.
_NOTHING_WAITS: Mapping[Cause, str] = {
    Cause.REDIS_UNREAD: "{detail}",
    Cause.NO_WORKER: "no worker runs",
    Cause.NO_INTAKE: "no intake runs",
    Cause.CIRCUIT_OPEN: "{channel} is parked{lasting}, its stream takes no commands: {detail}",
    Cause.HELD_BACK: "{channel} is held back{lasting} by the stream's ceiling: {detail}",
    Cause.PAUSED: "{channel} is paused by {by}{ago}, until it is resumed: {detail}",
}


def verdict_fields(verdict: Verdict) -> dict[str, object]:
    """The verdict by the names that --json prints: the worst finding, and all of them."""
    worst = verdict.worst
    return {
        "level": worst.level,
        "code": worst.cause,
        "text": said(worst),
        "findings": [_fields(finding) for finding in verdict.findings],
    }


def remedy(finding: Finding) -> str:
    """Returns what to do about it, in one printable line; blank if nothing is to do."""
    if finding.cause is Cause.NOTHING_SENT and finding.missing:
        return f"start the processes (publisher up, or those of the Procfile), then: {_REMEDIES[finding.cause]}"
    return one_line(_REMEDIES.get(finding.cause, "").format(channel=finding.channel))


def said(finding: Finding) -> str:
    """Words the finding in one printable line."""
    template = _SAID[finding.cause] if finding.count != 0 else _NOTHING_WAITS.get(finding.cause, _SAID[finding.cause])
    words = {
        "number": _number(finding),
        "intents": _intents(finding),
        "entries": "1 entry waits" if finding.count == 1 else f"{_number(finding)} entries wait",
        "oldest": f", the oldest for {_whole(finding.lasting)}" if finding.lasting else "",
        "s": "" if finding.count == 1 else "s",
        "es": "" if finding.count == 1 else "es",
        "were": "was" if finding.count == 1 else "were",
        "them": "it" if finding.count == 1 else "them",
        "on": "" if finding.channel is None else f" on {finding.channel}",
        "lasting": f" for {_whole(finding.lasting)}" if finding.lasting else "",
        "ago": "" if finding.lasting is None else f" {_whole(finding.lasting)} ago",
        "ended": "none has ended yet" if finding.lasting is None else f"the last ended {_whole(finding.lasting)} ago",
        "runs": f", and no {_or(finding.missing)} runs" if finding.missing else "",
    }
    return one_line(template.format(**words, channel=finding.channel, by=finding.by, detail=finding.detail))


def _fields(finding: Finding) -> dict[str, object]:
    return {
        "level": finding.level,
        "code": finding.cause,
        "channel": finding.channel,
        "count": finding.count,
        "at_least": finding.is_bound,
        "seconds": finding.lasting and round(finding.lasting.total_seconds(), 3),
        "by": finding.by or None,
        "detail": finding.detail or None,
        "missing": list(finding.missing),
        "text": said(finding),
        "remedy": remedy(finding) or None,
    }


def _number(finding: Finding) -> str:
    if finding.count is None:
        return "an unknown number"
    return f"{'at least ' if finding.is_bound else ''}{finding.count:,}"


def _intents(finding: Finding) -> str:
    if finding.count is None:
        return "an unknown number of intents waits"
    return "1 intent waits" if finding.count == 1 else f"{_number(finding)} intents wait"


def _whole(duration: timedelta) -> str:
    # As the tables below the verdict word theirs.
    return coarse(max(duration, timedelta(seconds=1)))


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
