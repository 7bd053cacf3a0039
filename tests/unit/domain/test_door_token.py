"""Tokens of the HTTP door, and the ids of what came by one (R36)."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.door_ids import came_at, door_id, is_door_id, source_words
from publisher.domain.door_token import is_token, token_hash, written_token
from publisher.operations.ids.forms import forms


@given(st.binary(min_size=32, max_size=32))
def test_a_token_is_32_random_bytes_behind_a_prefix(random: bytes) -> None:
    """Its form is known before PostgreSQL is asked; its hash says nothing of it."""
    token = written_token(random)

    assert is_token(token)
    assert len(token) == 47
    assert len(token_hash(token)) == 32
    assert token_hash(token) != random
    for other in (token[1:], token + "=", token.upper(), f" {token}", token[:-1] + "é"):
        assert not is_token(other)


def test_an_id_says_by_which_token_and_when() -> None:
    """The id of a stream's entry says when as well, and every command takes both (R27)."""
    id_ = door_id(3, 1773480413589, 17)

    assert (id_, is_door_id(id_)) == ("door:3/1773480413589-17", True)
    assert came_at(id_) == came_at("1773480413589-0") == 1773480413589
    assert [source_words(each) for each in (id_, "17-0")] == [f"HTTP request {id_}", "entry 17-0"]
    assert forms(id_).wanted.entry_ids == [id_]
    # No stream has such an entry, and none is asked for it.
    assert forms(id_).entry_id is None
    assert not is_door_id("1773480413589-17")
