"""Trace contexts as W3C writes them, and ids that are the same for the same thing (R22, R26)."""

import pytest

from publisher.domain.traceparent import Traceparent, parse_traceparent, route_context, span_id_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (f"00-{TRACE}-{PARENT}-01", 1),
        (f"00-{TRACE}-{PARENT}-00", 0),
        (f"00-{TRACE}-{PARENT}-03", 3),
        (f"00-{TRACE}-{PARENT}-ff", 3),
        (f"cc-{TRACE}-{PARENT}-09", 1),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", 1),
    ],
)
def test_a_trace_context_is_read(text: str, flags: int) -> None:
    """Flags that are not known are dropped, and a later version is read as far as it is known."""
    assert parse_traceparent(text) == Traceparent(TRACE, PARENT, flags)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "an id of the producer's own",
        TRACE,
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f" 00-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01x",
    ],
)
def test_any_other_text_is_no_trace_context(text: str | None) -> None:
    """trace_id may be any text of the producer's: it is kept, and nothing is traced."""
    assert parse_traceparent(text) is None


@pytest.mark.parametrize("flags", ["00", "01", "03"])
def test_a_route_has_its_place_in_its_producers_trace(flags: str) -> None:
    """It is the same each time, in the trace and with the flags of the producer, and another after a republish."""
    text = f"00-{TRACE}-{PARENT}-{flags}"

    first, again, replayed = (route_context(text, "n/email:user:7", replay) for replay in (0, 0, 1))

    assert str(first) == str(again)
    assert str(first).startswith(f"00-{TRACE}-")
    assert str(first).endswith(f"-{flags}")
    assert first is not None
    assert first != replayed
    assert first.span_id != PARENT


def test_ids_of_different_parts_differ() -> None:
    """No two parts run together, and half of a surrogate pair is no error."""
    assert len({span_id_of(*parts) for parts in [("a", "b"), ("ab",), ("a", "b", ""), ("a", 1), ("\ud800",)]}) == 5
    assert all(len(span_id_of(n)) == 16 for n in range(20))
