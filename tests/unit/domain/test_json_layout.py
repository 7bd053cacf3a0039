"""JSON text is laid out for people without being read."""

import json

import pytest

from publisher.domain.json_layout import laid_out


def test_each_member_has_a_line_and_each_value_its_text() -> None:
    """Numbers and escapes stand as the producer wrote them; what is empty stays on its line."""
    text = r'{"a":1e999,"b":[true,{"c\"}":"x, y: z"}],"d":{},"e":[ ],"f":"\u0000"}'
    assert laid_out(text).splitlines() == [
        "{",
        '  "a": 1e999,',
        '  "b": [',
        "    true,",
        "    {",
        r'      "c\"}": "x, y: z"',
        "    }",
        "  ],",
        '  "d": {},',
        '  "e": [],',
        r'  "f": "\u0000"',
        "}",
    ]


@pytest.mark.parametrize("text", ['{"a": "cut', '{"a": "cut\\', '["a", ', "", "}}]]", "[" * 5000, '"'])
def test_text_that_was_cut_is_laid_out_as_far_as_it_goes(text: str) -> None:
    """Nothing of it is lost but blanks between its parts."""
    assert "".join(laid_out(text).split()) == "".join(text.split())


def test_what_was_laid_out_means_the_same() -> None:
    """Whoever copies it has the payload."""
    value = {"games": [{"id": 7, "moves": ["e4", "e5"], "note": 'a "b" \\ c\n'}], "none": None}
    assert json.loads(laid_out(json.dumps(value))) == value
