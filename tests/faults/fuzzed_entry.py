"""Entries of the intents stream that nobody should send: generated, each from its seed and number alone.

Every entry begins as a valid one with words planted in its values, and is then twisted one to three times. Some
are valid still.
"""

import random
from dataclasses import dataclass

from tests.faults.fuzz_draft import Pair, valid
from tests.faults.fuzz_mutations import TWISTS


@dataclass(frozen=True)
class Hostile:
    """An entry as it goes onto the stream. values: texts planted in its values; secrets: those that no log may show;
    twists: what was done to it."""

    seed: int
    number: int
    fields: tuple[Pair, ...]
    values: tuple[str, ...]
    secrets: tuple[str, ...]
    twists: tuple[str, ...]

    def __str__(self) -> str:
        return f"hostile({self.seed}, {self.number}) {'+'.join(self.twists)}: {repr(self.fields)[:5000]}"


def hostile(seed: int, number: int) -> Hostile:
    """The entry of this number."""
    draft = valid(random.Random(f"{seed}/{number}"))
    twists = draft.rng.choices(list(TWISTS), list(TWISTS.values()), k=draft.rng.choice((1, 1, 1, 2, 3)))
    for twist in twists:
        twist(draft)
    values = draft.word, draft.secret
    return Hostile(
        seed, number, tuple(draft.fields), values, (draft.secret, draft.name), tuple(t.__name__ for t in twists)
    )
