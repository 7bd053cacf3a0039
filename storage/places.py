"""A place in a walk along an index, by keyset: each page costs the same, however far the walk has come."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True, order=True)
class Place(Generic[Key]):
    """A row's place in an order by instant, then key. The next page begins behind it.

    at: the instant that the walk is ordered by.
    key: the row's primary key, which orders the rows of one instant.
    """

    at: datetime
    key: Key


def behind(instant: str, key: str, key_type: str = "bigint") -> str:
    """Returns the condition that a row stands behind the place of the parameters `after_at` and `after_key`.

    instant, key: the columns that the walk is ordered by.
    """
    return f"({instant}, {key}) > (%(after_at)s::timestamptz, %(after_key)s::{key_type})"


def place_parameters(after: Place[Key] | None, first: Key) -> dict[str, object]:
    """Returns the parameters of `behind`. None: the walk begins. first: a key that is less than every other."""
    if after is None:
        return {"after_at": "-infinity", "after_key": first}
    return {"after_at": after.at, "after_key": after.key}
