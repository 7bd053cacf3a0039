"""Words what consumers have answered of late, and what they have not (R32)."""

from publisher.cli.terminal.output import print_table
from publisher.domain.delivery_event import EventKind
from publisher.operations.snapshot.snapshot import StoreSnapshot, Totals
from publisher.operations.wording import coarse
from storage.answers.unanswered import Unanswered


def print_answers(store: StoreSnapshot, totals: Totals) -> None:
    """Prints the events of the last hour and the unanswered routes of each channel that has any; else nothing."""
    counts, late = totals.answers.counts, store.unanswered
    channels = sorted({channel for channel, _ in counts} | {name for name, found in late.items() if found.count})
    if not channels:
        return
    # A column for each kind that came.
    kinds = [kind for kind in EventKind if any(each is kind for _, each in counts)]
    bound = ", of the newest million" if totals.answers.is_bound else ""
    print()
    print_table(
        f"Answers of the last hour{bound}",
        ["channel", *(kind.value for kind in kinds), "unanswered, oldest"],
        [
            [name, *(counts.get((name, kind), 0) for kind in kinds), _unanswered(late.get(name, Unanswered()))]
            for name in channels
        ],
        numeric=["unanswered, oldest"],
    )


def _unanswered(found: Unanswered) -> str | None:
    """Words how many routes have no answer in time, and the age of the oldest; None where there is none."""
    if not found.count or found.oldest is None:
        return None
    return f"{'≥ ' if found.is_bound else ''}{found.count:,}, {coarse(found.oldest)}"
