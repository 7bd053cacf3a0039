"""JSON arrays of objects that keep the exact text of each value, read no further than their limits."""

import json
from json import JSONDecodeError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.json_text import Number, TooMany, elements, members

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ARRAYS = st.lists(VALUES | st.dictionaries(st.text(), VALUES, max_size=4), max_size=4)


@given(array=ARRAYS, indent=st.sampled_from([None, 0, 1]), around=st.sampled_from(["", " ", "\n\t"]))
def test_each_element_has_the_members_that_json_reads(array: list[Any], indent: int | None, around: str) -> None:
    """Whatever white space stands between them; what is no object is None."""
    text = f"{around}{json.dumps(array, indent=indent)}{around}"

    found = elements(text, 10, 10)

    assert found is not None
    read = [None if each is None else {m.name: json.loads(m.text) for m in each} for each in found]
    assert read == [each if isinstance(each, dict) else None for each in array]
    assert all(text[m.at :].startswith(m.text) for each in found for m in each or ())


def test_a_number_keeps_its_digits() -> None:
    """And a name that is repeated is returned each time."""
    [only] = elements('[{"a": 1.10, "a": 1e999}]', 1, 2) or [[]]

    assert only is not None
    assert [(m.name, m.value, m.text) for m in only] == [("a", "1.10", "1.10"), ("a", "1e999", "1e999")]
    assert all(type(m.value) is Number for m in only)


@pytest.mark.parametrize("text", ["[", "[1", "[1,", "[1,]", "[,]", "[{]", '[{"a"]', '[{"a": 1,}]', "[1] 2", "[{} {}]"])
def test_what_is_no_json_is_told(text: str) -> None:
    """Wherever it breaks off."""
    with pytest.raises(JSONDecodeError):
        elements(text, 10, 10)


def test_nothing_is_read_behind_a_limit() -> None:
    """Not even whether it is JSON; another document than an array is none."""
    with pytest.raises(TooMany, match="more than 2 elements"):
        elements("[1, 2, 3, {]", 2, 2)
    with pytest.raises(TooMany, match="more than 2 members"):
        elements('[{"a": 1, "b": 2, "c": ]', 2, 2)
    with pytest.raises(TooMany, match="more than 1 members"):
        members('{"a": 1, "b": ', 1)
    assert elements('{"a": 1}', 1, 1) is None
