"""One event is one line of a log, for every reader there is, and whatever the event's values came from (R26)."""

import json
import logging
import os
from collections.abc import Callable
from typing import NoReturn

import orjson
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from publisher.process import logs
from publisher.process.log_lines import json_line, shown_on_one_line

# What str.splitlines, JavaScript, editors, terminals and log shippers take for the end of a line.
ENDS = "\n\r\v\f\x1c\x1d\x1e\x84\x85\x8d\u2028\u2029"
TEXT = st.text(st.sampled_from([*ENDS, "ö", "«", "€", "♞", "🎲", "a", '"', "\\"]) | st.characters())


pytestmark = pytest.mark.usefixtures("logging_as_it_was")


class Odd:
    """A library's object with ends of lines in its own text."""

    def __repr__(self) -> str:
        return f"<odd {ENDS}>"


def raised() -> Exception:
    """An error whose message holds every end of a line, with its traceback."""

    def fail() -> NoReturn:
        raise ValueError(f"said {ENDS} once")

    try:
        fail()
    except ValueError as caught:
        return caught


def log_all() -> None:
    """Logs every end of a line at every place of an event, by structlog and by the standard library."""
    structlog.get_logger().info(f"got {ENDS}", key=f"a{ENDS}b", spaced=f"a {ENDS}", odd=Odd(), many=[f"{ENDS}"])
    structlog.get_logger().info("half", half=f"\ud83d{ENDS}", big=2**70)
    logging.getLogger(f"a{ENDS}library").warning("said %s by %r", ENDS, Odd())


@pytest.mark.parametrize("addresses", ["masked", "full"])
def test_no_reader_sees_two_lines_of_json_in_one_event(addresses: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Every separator of an event's values stands as an escape, from our code and from libraries (R26)."""
    logs.configure(format="json", addresses=addresses)

    log_all()
    structlog.get_logger().error("failed", exc_info=raised())
    logging.getLogger("a.library").error("failed", exc_info=raised())

    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 5
    events = [json.loads(line) for line in lines]
    assert events[0]["event"] == f"got {ENDS}"
    assert events[0]["key"] == f"a{ENDS}b"
    assert events[2]["event"] == f"said {ENDS} by <odd {ENDS}>"
    assert all(f"said {ENDS} once" in event["exception"] for event in events[3:])


@pytest.mark.parametrize("terminal", [False, True], ids=["plain", "colours"])
@pytest.mark.parametrize("addresses", ["masked", "full"])
def test_no_reader_sees_two_lines_of_text_in_one_event(
    terminal: bool, addresses: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same in the form for people (R26)."""
    monkeypatch.setattr(os, "isatty", lambda descriptor: terminal and descriptor == 2)
    logs.configure(format="console", addresses=addresses)

    log_all()

    assert len(capfd.readouterr().err.splitlines()) == 3


def test_a_traceback_for_people_has_the_lines_that_it_has(capfd: pytest.CaptureFixture[str]) -> None:
    """Only in the form for people a traceback takes several lines, and a message within it begins none but by \\n."""
    logs.configure(format="console")

    structlog.get_logger().error("failed", exc_info=raised())

    shown = capfd.readouterr().err
    assert "\nTraceback (most recent call last):\n" in shown
    assert shown.count("\n") == len(shown.splitlines())


@given(st.dictionaries(st.text(max_size=5), TEXT, max_size=5))
def test_an_escaped_line_means_what_it_meant(event: dict[str, str]) -> None:
    """Any text comes back from its line of JSON as it was (R26)."""
    line = json_line(orjson.dumps(event | {"half": None}) if _is_utf8(event) else json.dumps(event).encode())

    assert json.loads(line) == (event | {"half": None} if _is_utf8(event) else event)
    assert len(line.decode().splitlines()) == 1


@given(TEXT)
def test_text_for_people_is_one_printable_line(text: str) -> None:
    """No character is left that ends a line or that a terminal obeys."""
    assert shown_on_one_line(text).isprintable()


def _is_utf8(event: dict[str, str]) -> bool:
    return not any("\ud800" <= c <= "\udfff" for pair in event.items() for c in "".join(pair))


def test_a_plain_line_is_left_as_it_is() -> None:
    """Nothing is rewritten where there is nothing to escape: letters of every script stay letters."""
    line = orjson.dumps({"event": "Jörg «♞» 🎲 日本語"})

    assert json_line(line) is line


@pytest.mark.parametrize("write", [structlog.get_logger, logging.getLogger])
def test_the_end_of_the_event_ends_its_line(
    write: Callable[[], logging.Logger], capfd: pytest.CaptureFixture[str]
) -> None:
    """Each event ends with one line feed, whoever logged it."""
    logs.configure(format="json")

    write().warning("one\n")

    shown = capfd.readouterr().err
    assert shown.endswith("}\n")
    assert shown.count("\n") == 1
