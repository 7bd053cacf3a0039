"""The intent fuzzer: makes hostile entries of the intents stream, each from its seed and number alone.

Every entry begins as a valid one with words planted in its values, and is then mutated one to three times. Some
stay valid.
"""

import random
from dataclasses import dataclass

from tests.faults.fuzz_draft import Pair, valid
from tests.faults.fuzz_mutations import MUTATIONS


@dataclass(frozen=True)
class FuzzedEntry:
    """An entry as it goes onto the stream.

    values: the texts planted in its fields.
    secrets: the planted texts that no log may show.
    mutations: the names of its mutations, in order.
    """

    seed: int
    number: int
    fields: tuple[Pair, ...]
    values: tuple[str, ...]
    secrets: tuple[str, ...]
    mutations: tuple[str, ...]

    def __str__(self) -> str:
        return f"fuzzed_entry({self.seed}, {self.number}) {'+'.join(self.mutations)}: {repr(self.fields)[:5000]}"


def fuzzed_entry(seed: int, number: int) -> FuzzedEntry:
    """The entry of this number."""
    draft = valid(random.Random(f"{seed}/{number}"))
    mutations = draft.rng.choices(list(MUTATIONS), list(MUTATIONS.values()), k=draft.rng.choice((1, 1, 1, 2, 3)))
    for mutate in mutations:
        mutate(draft)
    values = draft.word, draft.secret
    return FuzzedEntry(
        seed, number, tuple(draft.fields), values, (draft.secret, draft.name), tuple(t.__name__ for t in mutations)
    )
