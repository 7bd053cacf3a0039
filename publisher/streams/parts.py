"""Splits entries into parts of a bounded size."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
Fields = Sequence[tuple[bytes, bytes]]


def parts(entries: Sequence[T], fields_of: Callable[[T], Fields], most: int) -> Iterator[Sequence[T]]:
    """Yields the entries in their order, in parts of `most` bytes of names and values. A larger entry is alone.

    fields_of: the fields of an entry, by which its size counts.
    """
    part: list[T] = []
    size = 0
    for entry in entries:
        more = sum(len(name) + len(value) for name, value in fields_of(entry))
        if part and size + more > most:
            yield part
            part, size = [], 0
        part.append(entry)
        size += more
    if part:
        yield part
