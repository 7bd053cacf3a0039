"""What may stand in PUBLISHER_SMTP_URL, and what of it may be shown (R36)."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.domain.errors import SettingsError
from publisher.settings.smtp_url import read_smtp_url

SECRET = "5ecret"  # noqa: S105 - looked for in messages
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("@:/?#%[]& +\\'\""), min_size=1, max_size=12)


def refused(url: str) -> str:
    """What is said of a URL that is refused: one line, and nothing of the URL."""
    with pytest.raises(SettingsError) as raised:
        read_smtp_url(url)
    message = str(raised.value)
    assert message.startswith("PUBLISHER_SMTP_URL ")
    assert SECRET not in message
    assert message.isprintable()
    assert raised.value.__cause__ is None
    return message


@pytest.mark.parametrize(
    ("url", "place", "login", "shown"),
    [
        ("smtp://localhost", ("localhost", 25), (None, None), "smtp://localhost:25"),
        ("smtp://mail.example.com:2525", ("mail.example.com", 2525), (None, None), "smtp://mail.example.com:2525"),
        ("smtp://127.0.0.1:2525/", ("127.0.0.1", 2525), (None, None), "smtp://127.0.0.1:2525"),
        ("smtp://ann:5ecret@127.0.0.1:2525", ("127.0.0.1", 2525), ("ann", SECRET), "smtp://127.0.0.1:2525"),
        ("smtp://ann:5ecret@[::1]", ("::1", 25), ("ann", SECRET), "smtp://[::1]:25"),
        ("smtp://ann:5ecret@LocalHost", ("LocalHost", 25), ("ann", SECRET), "smtp://LocalHost:25"),
        ("smtp+starttls://a:5ecret@m.example", ("m.example", 587), ("a", SECRET), "smtp+starttls://m.example:587"),
        ("smtps://ann:5ecret@[2001:db8::7]", ("2001:db8::7", 465), ("ann", SECRET), "smtps://[2001:db8::7]:465"),
        (" smtps://m.example:1465\n", ("m.example", 1465), (None, None), "smtps://m.example:1465"),
    ],
)
def test_of_an_smtp_url_the_place_alone_is_shown(
    url: str, place: tuple[str, int], login: tuple[str | None, str | None], shown: str
) -> None:
    """Each scheme has its port; scheme, host and port are shown, and no user or password (R36)."""
    read = read_smtp_url(url)

    assert read.text == url.strip()
    assert ((read.host, read.port), (read.user, read.password)) == (place, login)
    assert [read.shown, str(read), repr(read), f"{read}"] == [shown] * 4


@given(texts.filter(lambda text: "\0" not in text), texts.filter(lambda text: "\0" not in text))
def test_a_user_name_and_a_password_of_any_text_are_read_when_encoded(user: str, password: str) -> None:
    """What a provider hands out works, whatever it holds."""
    read = read_smtp_url(f"smtps://{quote(user, safe='')}:{quote(password, safe='')}@mail.example.com")

    assert (read.user, read.password, read.shown) == (user, password, "smtps://mail.example.com:465")


@given(texts)
def test_a_raw_password_is_refused_or_changes_nothing_else(password: str) -> None:
    """No part of it ever becomes the host or the port, which errors show (R36)."""
    try:
        read = read_smtp_url(f"smtps://ann:{password}@mail.example.com:465")
    except SettingsError:
        return
    assert read.shown == "smtps://mail.example.com:465"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "is not set, e.g. smtp+starttls://user:password@host:587"),
        ("'smtp://ann:5ecret@localhost'", "without quotation marks"),
        ("http://ann:5ecret@localhost", "begins with smtp:// or smtp+starttls:// or smtps://"),
        ("smtp+tls://ann:5ecret@localhost", "begins with smtp:// or smtp+starttls:// or smtps://"),
        ("SMTP://ann:5ecret@localhost", "begins with"),
        ("smtps://ann:a@5ecret@m.example", "percent-encode"),
        ("smtps://ann:a/5ecret@m.example", "percent-encode"),
        ("smtps://ann:a%5ecret%@m.example", "percent-encode"),
        ("smtps://ann:5ecret%00@m.example", "UTF-8 without NUL"),
        ("smtps://ann:5ecret%ff@m.example", "UTF-8 without NUL"),
        ("smtps://ann:5ecret\n@m.example", "printable"),
        ("smtps://m.example:5ecret", "port"),
        ("smtps://m.example:65536", "PUBLISHER_SMTP_URL has no port from 1 to 65535"),
        ("smtps://[5ecret]", "host"),
        ("smtps://ann:5ecret@", "names a host"),
        ("smtps://ann:5ecret@%2Frun%2Fsmtp", "names a host"),
        ("smtps://a.example,b.example", "names one host"),
        ("smtps://m.example/5ecret", "nothing follows its port"),
        ("smtps://m.example?timeout=5", "the option timeout in it is not allowed"),
        ("smtps://5ecret@m.example", "with a user name and a password, or with neither"),
        ("smtps://:5ecret@m.example", "with a user name and a password, or with neither"),
        ("smtps://5ecret:@m.example", "with a user name and a password, or with neither"),
        # Anybody on the way could read it.
        ("smtp://ann:5ecret@mail.example.com", "PUBLISHER_SMTP_URL begins with smtp://, which sends its password"),
        ("smtp://ann:5ecret@localhost.example.com", "PUBLISHER_SMTP_URL begins with smtp://, which sends its password"),
        ("smtp://ann:5ecret@10.0.0.7", "PUBLISHER_SMTP_URL begins with smtp://, which sends its password"),
    ],
)
def test_what_cannot_be_taken_is_told_without_being_shown(url: str, said: str) -> None:
    """One line says which rule is broken, and how to write it."""
    assert said in refused(url)
