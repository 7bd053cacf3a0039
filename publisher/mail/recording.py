"""Records the outcomes of deliveries, those of a moment in one transaction, then acknowledges their commands (R33)."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from publisher.domain.backoff import Backoff
from publisher.domain.delivery_event import EventKind
from publisher.domain.entry_ids import place
from publisher.domain.errors import DatabaseRefused, PublisherError
from publisher.domain.mail_outcome import MailOutcome
from publisher.mail.counters import MailCounters
from publisher.mail.delivery import Delivery
from publisher.mail.in_hand import InHand
from publisher.mail.tracing import log_ids, try_of
from publisher.process.spans import NO_SPANS, POSTGRESQL, SpanKind, Spans
from publisher.streams.consumer_group import ConsumerGroup
from storage.database import Database
from storage.mail.deliveries import BegunMail
from storage.mail.outcomes import record_mail

_log = structlog.get_logger()
_BACKOFF = Backoff(timedelta(milliseconds=100), timedelta(seconds=2))
# A transaction of some milliseconds.
_MOST = 200
# So many are worth a transaction: to plan its statements takes as long as to record some fifty outcomes.
_ENOUGH = 50
# Fewer wait so long for more, while other messages are under way.
_LINGER_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery and its outcome. began, ended: the try, by time.monotonic()."""

    delivery: Delivery
    outcome: MailOutcome
    began: float
    ended: float


class Recorder:
    """Records outcomes in the order in which they come. Used by the event loop alone.

    token: of the leases.
    group: this process's consumer, with a client that nobody else uses. Used by one thread at a time.
    suppress_for: how long an address stays suppressed that bounced for good.
    spans: makes one for each transaction.
    missed: whether an entry stays pending since its outcome was not recorded, or it was not acknowledged. The reader
        clears it when it looks for such entries.
    """

    def __init__(
        self,
        database: Database,
        token: str,
        group: ConsumerGroup,
        in_hand: InHand,
        counters: MailCounters,
        suppress_for: timedelta,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._spans = spans
        self._database, self._token, self._group = database, token, group
        self._suppress_for = suppress_for
        self._in_hand = in_hand
        self._counters = counters
        self._finished: list[Finished] = []
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.missed = False

    def add(self, delivery: Delivery, outcome: MailOutcome, began: float | None = None) -> None:
        """Takes an outcome, to be recorded with the next ones. began: of the try; None: there was none."""
        now = time.monotonic()
        self._finished.append(Finished(delivery, outcome, now if began is None else began, now))
        self._look()

    def count_unsure(self, begun: Iterable[BegunMail]) -> None:
        """Counts and logs those of these deliveries that a process which died may have sent (R33)."""
        for each in begun:
            if each.is_unsure:
                self._counters.unsure()
                _log.warning(
                    "a message may have been sent by a process that died: its delivery is taken over",
                    delivery_id=each.delivery_id,
                )

    def close(self) -> None:
        """Ends `run` once everything that was added is recorded."""
        self._is_closed = True
        self._due.set()

    async def run(self) -> None:
        """Records until closed. While PostgreSQL is away it waits, and tries the same again."""
        while not self._is_closed or self._finished:
            await self._due.wait()
            self._due.clear()
            batch, self._finished = self._finished[:_MOST], self._finished[_MOST:]
            if batch:
                await self._record(batch)
            self._look()

    def _look(self) -> None:
        """Decides when the next transaction is due: now, or a moment after the first of its outcomes."""
        if self._is_closed or len(self._finished) >= max(1, min(_ENOUGH, len(self._in_hand))):
            self._due.set()
        elif self._finished and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._end_of_linger)

    def _end_of_linger(self) -> None:
        self._timer = None
        self._due.set()

    async def _record(self, batch: Sequence[Finished]) -> None:
        with self._spans.batch("record mail", SpanKind.CLIENT, POSTGRESQL) as span:
            span.link(finished.delivery.command.context for finished in batch)
            recorded = await self._until_recorded([finished.outcome for finished in batch])
        done = [finished for finished in batch if finished.outcome.delivery_id in recorded]
        self._report(done)
        await self._acknowledge([f.delivery.entry_id for f in done if f.delivery.entry_id is not None])
        if len(done) < len(batch):
            # Another process has taken them over, or an earlier try was recorded and its reply lost: beginning them
            # again tells.
            self.missed = True
            _log.info("outcomes of mail were not recorded: their leases are gone", outcomes=len(batch) - len(done))
        self._in_hand.remove([finished.delivery for finished in batch])

    async def _until_recorded(self, outcomes: Sequence[MailOutcome]) -> set[str]:
        tries = 0
        while True:
            try:
                return await asyncio.to_thread(record_mail, self._database, self._token, outcomes, self._suppress_for)
            except DatabaseRefused as error:
                if len(outcomes) > 1:
                    return {id_ for each in outcomes for id_ in await self._until_recorded([each])}
                plain = _plain(outcomes[0])
                if plain != outcomes[0]:
                    _log.warning("what a mail server said cannot be recorded", error=error)
                    return await self._until_recorded([plain])
                refused: PublisherError = error
            except PublisherError as error:
                refused = error
            tries += 1
            seconds = _BACKOFF.delay(tries, 0.0).total_seconds()
            _log.warning("the mail service waits and tries again", seconds=seconds, error=refused)
            await asyncio.sleep(seconds)

    async def _acknowledge(self, entries: Sequence[str]) -> None:
        try:
            await asyncio.to_thread(self._group.acknowledge, entries)
        except PublisherError as error:
            self.missed = True
            _log.warning("commands that are done were not acknowledged; they come again", error=error)

    def _report(self, done: Sequence[Finished]) -> None:
        accepted: Counter[str] = Counter()
        now, waits = time.time(), []
        for finished in done:
            outcome, command = finished.outcome, finished.delivery.command
            if outcome.is_unsure:
                self._counters.unsure()
            if outcome.event is None:
                continue
            self._counters.answered(outcome.event.event)
            if outcome.event.event is EventKind.ACCEPTED:
                accepted[command.template_id] += 1
                waits.append(now - place(finished.delivery.begun.entry_id)[0] / 1000)
                continue
            _log.warning(
                f"message {outcome.event.event}",
                delivery_id=outcome.delivery_id,
                template_id=command.template_id,
                request_id=command.request_id,
                **log_ids(self._spans, finished.delivery),
                attempt_number=finished.delivery.begun.tries + 1,
                code=outcome.event.code,
                enhanced_code=outcome.event.enhanced_code,
                diagnostic=outcome.event.diagnostic,
                state=outcome.state.value,
            )
        self._counters.accepted_after(waits)
        self._spans.past(try_of(f.delivery, f.outcome, f.began, f.ended) for f in done)
        if accepted:
            _log.info("messages accepted", messages=accepted.total(), templates=dict(accepted))


def _plain(outcome: MailOutcome) -> MailOutcome:
    """The outcome without a text that a server chose."""
    if outcome.event is None:
        return outcome
    return replace(outcome, event=replace(outcome.event, diagnostic=None, code=None, enhanced_code=None))
