"""Replaying intents at an operator's word: a part of the stream, looked at first, then taken in under an audit row."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from publisher.domain.errors import PublisherError
from publisher.domain.replay import ReplayRange
from publisher.intake.replay import IntentsReplay
from storage.actions import ActionOutcome, advance_action, begin_action, end_action
from storage.database import Database

ACTION = "replay-intents"


@dataclass(slots=True)
class ReplayTally:
    """seen: entries looked at. missing: those that PostgreSQL lacks and may have. left_out: those that it lacks, and
    that were published too long ago, if they were. replayed: those taken in."""

    seen: int = 0
    missing: int = 0
    left_out: int = 0
    replayed: int = 0


@dataclass(frozen=True)
class ReplayByHand:
    """One replay. size: entries a page. stopping: set to end it between two pages."""

    database: Database
    replay: IntentsReplay
    wanted: ReplayRange
    size: int
    stopping: threading.Event = field(default_factory=threading.Event)

    def survey(self, on_page: Callable[[int], None] = lambda _: None) -> ReplayTally:
        """How much there is to do. Changes nothing. on_page: told how many entries were looked at."""
        tally, reached = ReplayTally(), self.wanted.after
        while not self.wanted.is_over(reached) and not self.stopping.is_set():
            page = self.replay.judge(self.wanted, reached, self.size)
            reached = page.reached
            tally.seen += page.seen
            tally.missing += len(page.missing)
            tally.left_out += page.left_out
            on_page(page.seen)
        return tally

    def run(
        self, by: str, target: Mapping[str, object], matched: int, on_page: Callable[[int], None]
    ) -> tuple[int, ActionOutcome, ReplayTally]:
        """Takes in what PostgreSQL lacks. Returns the action's id, how it ended, and what was done.

        Interrupted, it has done whole pages; begun again, it does the rest. Raises RedisUnavailable or RedisRefused;
        PostgreSQL is waited for.
        """
        action_id = begin_action(self.database, ACTION, by, target, matched)
        outcome, tally = ActionOutcome.FAILED, ReplayTally()
        try:
            outcome = self._pages(action_id, tally, on_page)
        finally:
            # If it is the database that failed, its error says more; the action then never told how it ended.
            with suppress(PublisherError):
                end_action(self.database, action_id, outcome)
        return action_id, outcome, tally

    def _pages(self, action_id: int, tally: ReplayTally, on_page: Callable[[int], None]) -> ActionOutcome:
        reached = self.wanted.after
        while not self.wanted.is_over(reached):
            if self.stopping.is_set():
                return ActionOutcome.INTERRUPTED
            judged = self.replay.judge(self.wanted, reached, self.size)
            page = self.replay.take_in(judged)
            if page is None:
                return ActionOutcome.INTERRUPTED
            reached = page.reached
            tally.seen += page.seen
            tally.missing += len(judged.missing)
            tally.left_out += page.left_out
            tally.replayed += page.replayed
            if page.replayed:
                advance_action(self.database, action_id, page.replayed)
            on_page(page.seen)
        return ActionOutcome.DONE
