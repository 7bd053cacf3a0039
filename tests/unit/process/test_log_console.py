"""What a person at a terminal reads of an event: one short line (R26)."""

from typing import Any

import pytest

from publisher.process.log_console import for_people


def shown(colours: bool = False, **event: Any) -> str:
    """The text of an event of 09:26:53."""
    return for_people(colours)(None, "info", {"at": "2026-03-14T09:26:53.589Z", "level": "info", **event})


def test_a_line_has_time_event_and_fields() -> None:
    """The time is UTC. A field without a value is left out, and one with a space is quoted."""
    line = shown(event="intents accepted", intents=1, stream="a", reason="no address", logger="x", half=None)

    assert line == "09:26:53Z intents accepted  intents=1  stream=a  reason='no address'"


def test_a_list_of_names_is_short() -> None:
    """Names stand with commas between them, anything else as Python shows it."""
    assert shown(event="started", channels=["email", "push"]).endswith("  channels=email,push")
    assert shown(event="started", ports=[1, 2]).endswith("  ports=[1, 2]")


def test_a_route_is_named_once() -> None:
    """Its delivery id finds everything else that the event says of it."""
    line = shown(event="route published", delivery_id="b4c2/email:user:7", notification_id="b4c2", channel="email")

    assert line == "09:26:53Z route published  delivery_id=b4c2/email:user:7"


@pytest.mark.parametrize("level", ["debug", "warning", "error"])
def test_a_level_is_said_unless_it_is_info(level: str) -> None:
    """What needs attention stands out without colours, too."""
    assert shown(event="failed", level=level) == f"09:26:53Z {level.upper()} failed"


@pytest.mark.parametrize("colours", [False, True])
def test_colours_are_shown_where_they_are_asked_for(colours: bool) -> None:
    """Without them the line has no byte that a terminal obeys."""
    assert shown(colours, event="failed", level="error", count=1).isprintable() is not colours


def test_a_traceback_stands_below_its_line() -> None:
    """Its lines stay lines."""
    assert shown(event="failed", exception="Traceback:\n  file\nKeyError") == (
        "09:26:53Z failed\nTraceback:\n  file\nKeyError"
    )
