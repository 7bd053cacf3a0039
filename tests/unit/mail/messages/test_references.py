"""A delivery's reference: a short word from which a bounce finds the delivery again."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.mail.messages import references
from publisher.mail.messages.references import Reference, find_reference, message_id, return_path

NOTIFICATION = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11"
DELIVERY = f"{NOTIFICATION}/email:user:7"
KEY = b"a key"
deliveries = st.one_of(
    st.builds(lambda id_, route: f"{id_}/{route}", st.uuids(), st.text(st.characters(codec=None), min_size=1)),
    st.text(st.characters(codec=None)),
)


def reference_of(delivery_id: str) -> Reference:
    """The reference of a delivery under the key."""
    return references.reference_of(delivery_id, KEY)


@given(deliveries)
def test_a_delivery_is_found_by_its_return_path_and_its_message_id(delivery_id: str) -> None:
    """Both survive a mail system that changes case, and the local part has 48 characters, below RFC 5321's 64."""
    reference = reference_of(delivery_id)
    address, identity = return_path(reference, "bounces.example.com"), message_id(reference, "example.com")

    assert len(address.partition("@")[0]) == 48
    for text in (address, address.upper(), f"<{address}>", identity, identity.upper()):
        found = find_reference(text)
        assert found is not None
        assert found.is_of(delivery_id, KEY)


@given(st.uuids(), st.text(min_size=1))
def test_the_reference_names_the_notification(notification_id: uuid.UUID, route_id: str) -> None:
    """So the delivery is looked up among the routes of one notification."""
    found = find_reference(return_path(reference_of(f"{notification_id}/{route_id}"), "example.com"))

    assert found is not None
    assert found.notification_id == str(notification_id)


def test_two_routes_of_a_notification_have_two_references() -> None:
    """A bounce of one recipient is not taken for another's."""
    routes = [f"{NOTIFICATION}/email:user:{n}" for n in range(2000)]

    assert len({reference_of(each).word for each in routes}) == len(routes)


@pytest.mark.parametrize(
    "delivery_id", ["order-17", NOTIFICATION, f"{NOTIFICATION}/", f"{NOTIFICATION.upper()}/a", "/", "x" * 1000, ""]
)
def test_a_delivery_id_of_another_form_has_a_reference_too(delivery_id: str) -> None:
    """It names no notification, and is still recognized by whoever has the delivery id."""
    reference = reference_of(delivery_id)

    assert reference.notification_id is None
    assert find_reference(reference.word) == reference
    assert not reference.is_of(DELIVERY, KEY)


@pytest.mark.parametrize(
    "text",
    [
        *("", "bounce-@example.com", "<17.abc@example.com>", "ann@example.com", "n" + "a" * 39, "n" + "1" * 40),
        *("x" + "a" * 41, "an" + "a" * 40, "z" + "a" * 40),
        # Case folding takes the Kelvin sign for a k, and a dotted or dotless i and a long s for theirs.
        *("n" + "a" * 39 + letter for letter in "\u212a\u0130\u0131\u017f"),
    ],
)
def test_a_text_of_others_holds_no_reference(text: str) -> None:
    """A bounce of somebody else's message is nobody's delivery."""
    assert find_reference(text) is None


def test_it_is_found_amid_other_words() -> None:
    """Forwarders wrap a return path in their own."""
    wrapped = f"prvs=123-{return_path(reference_of(DELIVERY), 'example.com')}".replace("@", "=example.com@relay.")

    found = find_reference(wrapped)

    assert found is not None
    assert found.is_of(DELIVERY, KEY)


def test_the_forms_are_kept() -> None:
    """Bounces come weeks later: the words of earlier releases must be understood."""
    assert (
        message_id(reference_of(DELIVERY), "example.com") == "<nwtbpj4dklzoq5d2df4pw6hykceagdwldnc3wne5y@example.com>"
    )
    assert (
        return_path(reference_of(DELIVERY), "example.com")
        == "bounce-nwtbpj4dklzoq5d2df4pw6hykceagdwldnc3wne5y@example.com"
    )
    assert reference_of("order-17").word == "xjsde2x36xkwlu6syikbduvouauynvaz7er65larg"
