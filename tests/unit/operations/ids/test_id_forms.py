"""Ids as they are typed and pasted: what each text can be."""

import pytest

from publisher.domain.notification import notification_id_of
from publisher.operations.ids.forms import beginning, cleaned, forms
from storage.ids.named import Wanted

ID = "0bf75ccd-d5bd-5670-b43e-ae8573d426ef"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (ID, Wanted([ID], (), [ID])),
        (ID.upper(), Wanted([ID], (), [ID.upper()])),
        (ID.replace("-", ""), Wanted([ID], (), [ID.replace("-", "")])),
        ("turn-17", Wanted([], (), ["turn-17"])),
        ("1773480413589-0", Wanted([], ["1773480413589-0"], ["1773480413589-0"])),
        ("17-1~42", Wanted([], ["17-1~42"], ["17-1~42"])),
        ("17", Wanted([], (), ["17"], route=17, dead_letter=17, malformed=17, action=17, loss=17)),
        ("9" * 19, Wanted([], (), ["9" * 19])),
        ("dead-letter:17", Wanted([], (), ["dead-letter:17"], dead_letter=17)),
        ("dead letter 17", Wanted([], (), ["dead letter 17"], dead_letter=17)),
        ("Malformed intent 17", Wanted([], (), ["Malformed intent 17"], malformed=17)),
        ("malformed:17", Wanted([], (), ["malformed:17"], malformed=17)),
        ("malformed:17-1", Wanted([], ["17-1"], ["malformed:17-1"])),
        ("action:7", Wanted([], (), ["action:7"], action=7)),
        ("loss 3", Wanted([], (), ["loss 3"], loss=3)),
        ("route:5", Wanted([], (), ["route:5"], route=5)),
        ("entry:17-1", Wanted([], ["17-1"], ["entry:17-1"])),
        ("key:17", Wanted([], (), ["key:17", "17"])),
        (f"notification:{ID}", Wanted([ID], (), [f"notification:{ID}"])),
        ("notification:17", Wanted([], (), ["notification:17"])),
        ("actions:7", Wanted([], (), ["actions:7"])),
        ("", Wanted([], (), [""])),
    ],
)
def test_a_text_can_be_what_is_written_so(text: str, wanted: Wanted) -> None:
    """Each form of each kind is read; any text can be an idempotency key, whatever else it looks like."""
    assert forms(text).wanted == wanted


def test_a_delivery_id_is_a_notification_and_its_route() -> None:
    """The route's own id may hold slashes."""
    read = forms(f"{ID.upper()}/email:address:a/b@example.com")

    assert read.wanted.notification_ids[0] == ID
    assert read.route_id == "email:address:a/b@example.com"


def test_a_key_may_stand_behind_its_producer() -> None:
    """PRODUCER/KEY names one notification; either part may hold slashes."""
    assert notification_id_of("game", "turn-17") in forms("game/turn-17").wanted.notification_ids
    assert notification_id_of("a/b", "c") in forms("key:a/b/c").wanted.notification_ids
    assert notification_id_of("a", "b/c") in forms("key:a/b/c").wanted.notification_ids


def test_a_producer_that_is_given_makes_the_key_its_own() -> None:
    """With --producer no other producer's key is looked for."""
    assert forms("turn-17", "game").wanted == Wanted([notification_id_of("game", "turn-17")])


def test_a_bare_number_is_told_from_one_with_its_kind() -> None:
    """Only a bare number can be of several kinds."""
    assert forms("17").number
    assert not forms("action:17").number


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (' "turn-17", ', "turn-17"),
        ("(action 7)", "action 7"),
        ("[17]", "17"),
        ("#17", "17"),
        ("1,234,567", "1234567"),
        ("1,23", "1,23"),
        ("‘x’", "x"),
        ("...", ""),
    ],
)
def test_signs_around_a_pasted_id_are_left_out(text: str, bare: str) -> None:
    """Quotes, brackets, commas and a number's separators are no part of an id."""
    assert cleaned(text) == bare


@pytest.mark.parametrize(
    "text", ["0bf75ccd", "0BF75CCD", "0bf75ccd-d5bd…", "0bf75ccd...", "0bf75ccd-d5bd-56/push:user:7"]
)
def test_a_shortened_notification_id_is_a_range(text: str) -> None:
    """Eight hexadecimal digits or more are the beginning of every id between the first and the last."""
    found = beginning(text)

    assert found is not None
    first, last, route_id = found
    assert first <= ID <= last
    assert first[:8] == last[:8] == "0bf75ccd"
    assert route_id == ("push:user:7" if "/" in text else None)


@pytest.mark.parametrize("text", ["0bf75cc", "0bf75ccg", "turn-17", "", "a-b-c-d-e-f", f"{ID}0"])
def test_what_is_too_short_is_no_beginning(text: str) -> None:
    """Fewer than eight digits, more than a whole id, or other letters are none."""
    assert beginning(text) is None
