"""Text has colours on a terminal alone, unless somebody says otherwise."""

import os

import pytest

from publisher.process.colours import has_colours


@pytest.mark.parametrize(
    ("environ", "on_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colours(environ: dict[str, str], *, on_terminal: bool, elsewhere: bool) -> None:
    """NO_COLOR and a terminal without colours win over FORCE_COLOR, and that over what the output is."""
    ours, theirs = os.openpty()
    read, write = os.pipe()
    try:
        assert (has_colours(theirs, environ), has_colours(write, environ)) == (on_terminal, elsewhere)
    finally:
        for descriptor in (ours, theirs, read, write):
            os.close(descriptor)
