"""What is left of an email address in the logs (R26)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ann@example.com", "a***@example.com"),
        ("a@b", "a***@b"),
        ("Ann.Lee+chess@mail.example.co.uk", "A***@mail.example.co.uk"),
        ("zoë@exämple.com", "z***@exämple.com"),
        ("ann@[10.0.0.1]", "a***@[10.0.0.1]"),
        ("<ann@example.com>, bob@example.org", "<a***@example.com>, b***@example.org"),
        ("ann@example.com,bob@example.org", "a***@example.com,b***@example.org"),
        ("mailto:ann@example.com", "mailto:a***@example.com"),
        ('{"to":["ann@example.com"]}', '{"to":["a***@example.com"]}'),
        ("{'to': 'ann@example.com'}", "{'to': 'a***@example.com'}"),
        ("Key (email)=(ann@example.com) already exists", "Key (email)=(a***@example.com) already exists"),
        ("user:ann@example.com", "user:a***@example.com"),
        ("email:address:ann@example.com", "email:address:a***@example.com"),
        ("email:address:ann lee@example.com", "email:address:a***@example.com"),
        ("email:address: ann lee@example.com", "email:address:***@example.com"),
        ("email:address:a@b@example.com", "email:address:a***@example.com"),
        ('email:address:"ann lee"@example.com', 'email:address:"a***@example.com'),
        ("address:nobody at all", "address:n***"),
        ("email:address:nobody\nann@example.com", "email:address:n***\na***@example.com"),
        ("postgres://ann:hunter2@db/name", "postgres://ann:h***@db/name"),
        ("ann%40example.com", "a***%40example.com"),
        ("no page for ann%40example.com&lang=de now", "no page for a***%40example.com&lang=de now"),
        ("<ann%40example.com>,bob%40example.org", "<a***%40example.com>,b***%40example.org"),
        ("%22ann%40lee%22%40example.com", "%***%40example.com"),
        ("ann%40example.com@relay.example.com", "a***@relay.example.com"),
        ("ann@lee%40example.com", "a***@l***%40example.com"),
        (r'{"to":"ann\u0040example.com"}', r'{"to":"a***\u0040example.com"}'),
    ],
)
def test_an_address_keeps_its_first_letter_and_its_domain(text: str, shown: str) -> None:
    """`ann@example.com` is shown as `a***@example.com`, wherever it stands (R26)."""
    assert masked(text) == shown


@pytest.mark.parametrize(
    "address",
    [
        "secret@example.com",
        "o'secret@example.com",
        "x/secret@example.com",
        "x=secret@example.com",
        "x{secret}@example.com",
        "x!#$%&*+-?^_`|~secret@example.com",
        '"x secret"@example.com',
        '"x@secret"@example.com',
        '"x\\"secret"@example.com',
        "secret@example.com@example.com",
        "secret=example.org@example.com",
        "+secret@example.com",
        "'secret'@example.com",
    ],
)
def test_no_legal_form_of_an_address_gets_through(address: str) -> None:
    """All that stands before the @ may be part of it, by the rules of mail; of it the first letter at most is
    shown, wherever the address stands (R26)."""
    places = ["{}", "to {} now", "<{}>", "'{}'", '["{}"]', "email={}", "email:address:{}", "n-1/email:user:{}\n"]

    for place in places:
        shown = masked(place.format(address))
        assert "ecret" not in shown
        assert "***@example.com" in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "route published",
        "@",
        "a @ b",
        "@dataclass(frozen=True)",
        "ann@",
        "email:user:7",
        # libpq's words for a server that it cannot find: the reason must stay.
        'could not translate host name "db" to address: Name or service not known',
        "a***@example.com",
        "email:address:a***@example.com",
        "a***%40example.com",
        r"a***\u0040example.com",
        "%40example.com",
        "ann%4",
    ],
)
def test_what_holds_no_address_stays_as_it_is(text: str) -> None:
    """Masking costs no other part of a message, and a second masking changes nothing (R26)."""
    assert masked(text) == text


@given(
    st.text(st.sampled_from("ab.@:/<>\"'(){}= \n"), max_size=30),
    st.from_regex(r"[a-z]{3,12}", fullmatch=True),
    st.text(st.sampled_from("ab.@:/<>\"'(){}= \n"), max_size=30),
)
def test_nothing_around_an_address_uncovers_it(before: str, local: str, after: str) -> None:
    """Whatever text an address stands in, what stands before its @ is cut (R26)."""
    for at in ("@", "%40", r"\u0040"):
        shown = masked(f"{before}{local.upper()}{at}example.com{after}")

        assert f"{local.upper()}{at}" not in shown


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "'",
        '"',
        "=@",
        '"@',
        "address:",
        "address:\n",
        ":address:x",
        "a@b ",
        "@@",
        "%40",
        "a%40",
        "%4",
        r"a\u0040",
        "\\",
    ],
)
def test_a_huge_text_is_masked_at_once(piece: str) -> None:
    """A hostile payload in an error's text does not keep a worker busy: the work grows with its length alone."""
    assert "secret" not in masked(piece * 100_000 + "\nsecret@example.com secret%40example.com")
