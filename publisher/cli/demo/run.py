"""Sends the sample of `publisher demo` through the running processes, and watches until all of it has ended."""

import random
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from publisher.cli.demo.mail_wait import MailWait
from publisher.connections import open_patient_database, open_servers
from publisher.domain.notification import RouteStatus
from publisher.environment import load_settings
from publisher.local.children import Child
from publisher.local.demo import CHANNELS, Observer, Sample, make_sample, problems
from publisher.local.demo_mail import Mail, mail_problems, read_mail
from publisher.local.procfile import first_ended
from publisher.process.signals import StopSignals
from publisher.streams.producer import add_intents
from storage.counts.overview import RouteEnd

# How long nothing may move before the demo gives up.
_PATIENCE = 60.0
# How long before it says what the emails wait for.
_QUIET = 5.0
_BATCH = 500
_COLUMNS = TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came of a demo.

    summary: counts and times, by name.
    routes: how many routes of each channel have each status.
    on_purpose: says what was sent so that it is not published.
    commands: one command of each stream, by the stream's name.
    mail: what became of the emails; None: no mail service took part.
    problems: everything that is not as it must be.
    """

    summary: Mapping[str, object]
    routes: Counter[tuple[str, RouteStatus]]
    on_purpose: str
    commands: Mapping[str, Mapping[str, str]]
    mail: Mail | None
    problems: Sequence[str]


def send_sample(
    count: int,
    environ: Mapping[str, str],
    running: Mapping[str, Child],
    mailbox: Path | None,
    say: Console,
    stop: StopSignals,
) -> DemoResult:
    """Sends so many intents, and returns once every route of them has ended, or nothing has moved for a minute.

    running: the processes; one that ends by itself ends the demo.
    mailbox: the maildir that the emails arrive in; None: they go elsewhere, or nowhere.
    """
    settings = load_settings(environ)
    run = secrets.token_hex(4)
    with stop.interrupting():
        now = time.time_ns() // 1_000_000
        sample = make_sample(count, run, now, settings.channels, random.Random(run))  # noqa: S311 - a sample, no secret
    with (
        closing(open_patient_database(settings, "demo")) as database,
        open_servers(settings, "demo", timedelta(seconds=10)) as servers,
        Progress(*_COLUMNS, console=say) as progress,
    ):
        observer = Observer(
            servers, database, [str(part) for name in CHANNELS for part in settings.channels[name].streams]
        )
        observer.start()
        watch = _Watch(observer, sample, progress, sends_mail=settings.mail.is_used)
        mail_wait = MailWait(settings.mail, lambda: observer.refusal(sample), say)
        entry_ids: list[str] = []
        for start in range(0, len(sample.entries), _BATCH):
            stop.check()
            entry_ids += add_intents(servers, settings.intents, sample.entries[start : start + _BATCH])
            watch.sent(len(entry_ids))
        rejects = [entry_ids[n] for n in (*sample.malformed, *sample.conflicts)]
        while not watch.has_ended and not watch.is_stuck and not first_ended(running):
            stop.check()
            watch.look(settings.intents_streams, rejects)
            if watch.waits_for_mail_alone:
                mail_wait.tell(watch.emails_left)
        observer.read(timedelta(milliseconds=200))
        ends = observer.ends(sample)
        mail = read_mail(database, sample.notification_ids, sample.emails, mailbox) if settings.mail.is_used else None
        with stop.interrupting():
            found = problems(sample, ends, observer.seen, watch.rejected)
            found += [] if mail is None else mail_problems(sample.emails, mail, mail_wait.reason)
    if ended := first_ended(running):
        found.insert(0, f"{ended} ended by itself with exit code {running[ended].returncode}")
    return DemoResult(
        _summary(count, sample, ends, observer.seen, watch.seconds),
        Counter((end.channel, end.status) for end in ends),
        sample.on_purpose,
        observer.sample_commands,
        mail,
        found,
    )


class _Watch:
    """Looks again and again how far the sample has come, and moves the bars."""

    def __init__(self, observer: Observer, sample: Sample, progress: Progress, *, sends_mail: bool) -> None:
        self._observer, self._sample, self._progress = observer, sample, progress
        self._sends_mail = sends_mail
        totals = {"sent": len(sample.entries), "published": sample.published, "ended": len(sample.expected)}
        if sends_mail:
            totals["mailed"] = len(sample.emails)
        self._bars = {name: progress.add_task(name, total=total) for name, total in totals.items()}
        self._began = self._moved_at = self._published_at = time.monotonic()
        self._final = self._mailed = 0
        self._to_reject = len(sample.malformed) + len(sample.conflicts)
        self.rejected = 0

    @property
    def has_ended(self) -> bool:
        """Whether every route has ended, every broken intent is recorded, and every email is answered."""
        return self._has_published and not self.emails_left

    @property
    def emails_left(self) -> int:
        """How many emails are not answered for good yet."""
        return max(0, len(self._sample.emails) - self._mailed) if self._sends_mail else 0

    @property
    def waits_for_mail_alone(self) -> bool:
        """Whether nothing but emails is left, and nothing has moved for a while."""
        is_quiet = time.monotonic() - self._moved_at > _QUIET
        return is_quiet and self._has_published and self.emails_left > 0

    @property
    def is_stuck(self) -> bool:
        """Whether nothing has moved for too long."""
        return time.monotonic() - self._moved_at > _PATIENCE

    @property
    def seconds(self) -> float:
        """How long it took from the first intent to the last command."""
        return self._published_at - self._began

    @property
    def _has_published(self) -> bool:
        return self._final == len(self._sample.expected) and self.rejected == self._to_reject

    def sent(self, count: int) -> None:
        """Notes how many entries are sent by now."""
        self._progress.update(self._bars["sent"], completed=count)
        self._read(timedelta(milliseconds=1))

    def look(self, streams: Sequence[str], rejects: Sequence[str]) -> None:
        """Looks once. rejects: the entries of this stream that must be recorded as malformed."""
        before = self._final, self._mailed
        self._read(timedelta(milliseconds=50))
        self._final = self._observer.final(self._sample)
        self.rejected = self._observer.rejected(streams, rejects)
        self._progress.update(self._bars["ended"], completed=self._final)
        if self._sends_mail:
            self._mailed = self._observer.mailed(self._sample)
            self._progress.update(self._bars["mailed"], completed=self._mailed)
        if before != (self._final, self._mailed):
            self._moved_at = time.monotonic()

    def _read(self, block: timedelta) -> None:
        before = self._observer.seen.total()
        self._observer.read(block)
        self._progress.update(self._bars["published"], completed=self._observer.seen.total())
        if before < self._observer.seen.total():
            self._published_at = self._moved_at = time.monotonic()


def _summary(
    count: int, sample: Sample, ends: Sequence[RouteEnd], seen: Mapping[str, int], seconds: float
) -> dict[str, object]:
    commands = sum(seen.get(end.delivery_id, 0) for end in ends)
    return {
        "intents": count,
        "duplicates": sample.duplicates,
        "conflicts": len(sample.conflicts),
        "malformed": len(sample.malformed),
        "routes": len(sample.expected),
        "retries": sum(max(0, e.attempt_count - (e.status is RouteStatus.DEAD_LETTER)) for e in ends),
        "elapsed_seconds": round(seconds, 3),
        "routes_per_second": round(commands / seconds) if seconds > 0 else 0,
    }
