"""What a recorded malformed intent holds, for sending and for reading, and what can be done about it (R18, R19)."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations.malformed.fields import readable_fields, recorded_entry
from storage.malformed.recording import readable_fields as recorded

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(raw_fields: Mapping[str, object], limit: int | None = 400) -> list[tuple[str, str]]:
    return list(readable_fields(raw_fields, limit))


@given(st.lists(st.tuples(TEXT.filter(lambda t: "\0" not in t).map(str.encode), st.binary(max_size=40)), max_size=6))
def test_what_was_recorded_is_what_came(entry: list[tuple[bytes, bytes]]) -> None:
    """Whatever bytes the values were, they are had back from the record, none lost or added (R19)."""
    assert sorted(recorded_entry(json.loads(recorded(entry)))) == sorted(entry)  # type: ignore[arg-type]


def test_a_beginning_is_not_taken_for_the_whole() -> None:
    """An entry of which only the beginnings were recorded cannot be sent as it is (R19)."""
    verdict = recorded_entry(
        {"producer": {"cut": "game", "bytes": 4}, "payload_json": {"cut": "x", "bytes": 20_000_000}}
    )

    assert isinstance(verdict, Rejection)
    assert (verdict.code, "16 MiB" in verdict.message) == (RejectionCode.TOO_LARGE, True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain Zoë ♞", "plain Zoë ♞"),
        ("", ""),
        ("\x1b[31mred\x07\x7f\x9b", r"\x1b[31mred\x07\x7f\x9b"),
        ("a\r\nb\u2028c", r"a\r\nb\u2028c"),
        ("user\u202ecod.exe\u2066\u200b", r"user\u202ecod.exe\u2066\u200b"),
        ({"base64": "Y2Fm6RtbMm0="}, r"caf\xe9\x1b[2m (no text: 8 bytes)"),
        ({"base64": "YQBi"}, r"a\x00b (no text: 3 bytes)"),
        ({"cut": "begin", "bytes": 20_000_000}, "begin (cut: 20,000,000 bytes stood on the stream)"),
    ],
    ids=["plain", "empty", "ansi", "lines", "bidi", "bytes", "nul", "cut"],
)
def test_a_value_is_shown_readable_and_harmless(value: object, shown: str) -> None:
    """A terminal is shown no character that it would obey, and a person what stood there."""
    assert read({"producer": value}) == [("producer", shown)]


def test_a_hostile_name_is_as_harmless_as_a_value() -> None:
    """A field's name may hold anything as well."""
    name = "\x1b]0;title\x07" + "n" * 500

    assert read({name: "1"}, limit=10) == [(r"\x1b]0;title\x07… (510 characters)", "1")]


def test_a_huge_value_is_shortened_and_its_length_said() -> None:
    """A value of megabytes does not flood a terminal; without a limit it is whole."""
    assert read({"payload_json": "x" * 5_000_000}, limit=12) == [
        ("payload_json", f"{'x' * 12}… (5,000,000 characters)")
    ]
    assert read({"payload_json": "x" * 5_000_000}, limit=None) == [("payload_json", "x" * 5_000_000)]


def test_a_field_given_twice_is_shown_twice() -> None:
    """Each value of a repeated name has its line and its place."""
    assert read({"producer": ["a", {"base64": "/w=="}]}) == [
        ("producer (1 of 2)", "a"),
        ("producer (2 of 2)", r"\xff (no text: 1 bytes)"),
    ]
