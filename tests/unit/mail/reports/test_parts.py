"""Entries in parts of a bounded size."""

import pytest

from publisher.mail.reading import _PART_BYTES
from publisher.streams.consumer_group import Entry
from publisher.streams.parts import parts as split


def sized(*sizes: int) -> list[Entry]:
    """Entries whose fields have so many bytes."""
    return [Entry(f"1-{n}", ((b"f", b"x" * (size - 1)),), 1) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([], []),
        ([100] * 96, [96]),
        ([_PART_BYTES], [1]),
        ([_PART_BYTES * 3, 10, 10], [1, 2]),
        ([_PART_BYTES // 2] * 5, [2, 2, 1]),
    ],
)
def test_commands_are_taken_up_in_parts_of_a_bounded_size(sizes: list[int], parts: list[int]) -> None:
    """Each command in one part, in order; one that is larger than a part is alone: what is read is begun soon (R33)."""
    entries = sized(*sizes)

    found = list(split(entries, lambda entry: entry.fields, _PART_BYTES))

    assert [len(part) for part in found] == parts
    assert [entry for part in found for entry in part] == entries
