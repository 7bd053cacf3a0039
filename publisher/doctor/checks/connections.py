"""Whether there are connections enough for the processes of the Procfile, also while a deploy overlaps another."""

import shlex
from collections.abc import Mapping

from publisher.doctor.verdict import Diagnosis, failed, together, unknown, warning
from publisher.operations.wording import names
from storage.activity import Connections

_WORKERS = "dramatiq"
_INTAKE = "intake"
_MAILER = "mailer"
_PAGE = "web"
# Dramatiq's own default.
_THREADS = 8
# A worker process has threads of its own for its heartbeat, scans, audits and trims; an intake has one for each
# partition of intents, for delivery events and for its heartbeat. A mailer takes up, records and renews side by side,
# on each partition of emails, and has a heartbeat.
_OWN_THREADS = 4
_OF_INTAKE = 2
_OF_MAILER = 1
_OF_MAILED_PARTITION = 3
# The page reads in six threads, changes in four and takes in over HTTP in four; snapshots and the heartbeat have one.
_OF_PAGE = 16


def needed(commands: Mapping[str, str], *, cores: int, pool: int, intents: int, emails: int) -> int | None:
    """How many connections one of each process opens at most; None where a command does not say.

    commands: a Procfile's. cores: of the machine, which is how many processes Dramatiq starts unless told.
    pool: how many a process opens at most. A worker process has one for each thread of Dramatiq and of its own.
    intents: the number of partitions of the intents stream.
    emails: that of the stream that a mailer reads; 0: it has no server to send to, and opens none.
    """
    total = 0
    for command in commands.values():
        words = shlex.split(command)
        if _WORKERS in words:
            processes = _option(words, "--processes", "-p", cores)
            threads = _option(words, "--threads", "-t", _THREADS)
            if processes is None or threads is None:
                return None
            total += processes * min(threads + _OWN_THREADS, pool)
        elif _INTAKE in words:
            total += min(_OF_INTAKE + intents, pool)
        elif _MAILER in words and emails:
            total += min(_OF_MAILER + _OF_MAILED_PARTITION * emails, pool)
    return total


def of_page(commands: Mapping[str, str]) -> int:
    """How many connections a page of this Procfile opens at most, once many ask at once; else one or two."""
    return sum(_OF_PAGE for command in commands.values() if _PAGE in shlex.split(command))


def budget(found: Connections, need: int | None, page: int = 0) -> Diagnosis:
    """What the processes may open fits into what the server gives them.

    A deploy overlaps old and new processes (R15): both must find room.
    page: how many the page opens besides. What it lacks is shown as not read, and harms no work: no failure.
    """
    connected = sum(found.connected.values())
    by_application = sorted(found.connected.items(), key=lambda pair: (-pair[1], pair[0]))
    now = names([f"{name or 'no name'} {count}" for name, count in by_application]) or "nobody"
    if need is None:
        return unknown(
            f"the Procfile does not say how many are opened; {found.limit} may be; connected now: {now}",
            "give the worker --processes and --threads as numbers",
        )
    total = need + page
    finding = f"one of each process opens up to {total} of {found.limit}; connected now: {now}"
    remedy = "lower --processes or --threads in the Procfile, or take a plan with more connections"
    complaints = []
    if need > found.limit:
        complaints.append(failed(finding, remedy))
    elif 2 * total > found.limit or connected + total > found.limit:
        complaints.append(warning(f"{finding}; a deploy that overlaps another does not fit", remedy))
    return together(complaints, finding)


def _option(words: list[str], long: str, short: str, default: int) -> int | None:
    """The number after the option, or in it; None if it is no number, a shell's variable perhaps."""
    value = str(default)
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in (long, short):
            value = following
        elif word.startswith(f"{long}="):
            value = word.partition("=")[2]
    return int(value) if value.isascii() and value.isdigit() else None
