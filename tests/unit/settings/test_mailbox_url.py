"""The URL of the mailbox of bounces: its forms, and errors that show nothing of it."""

from pathlib import Path

import pytest

from publisher.domain.errors import SettingsError
from publisher.settings.mailbox_url import MailboxKind, read_mailbox_url
from tests.maildirs import made_maildir


def test_an_imap_url_is_taken_apart() -> None:
    """User and password are percent-decoded; port and folder have defaults; the rest may be shown."""
    url = read_mailbox_url(" imaps://bounces%40example.com:p%3A%2F%40s@imap.example.com ")
    other = read_mailbox_url("imap+starttls://a:b@[::1]:1143/Mail%20Box")

    assert (url.kind, url.host, url.port, url.folder) == (MailboxKind.IMAPS, "imap.example.com", 993, "INBOX")
    assert (url.user, url.password) == ("bounces@example.com", "p:/@s")
    assert repr(url) == "imaps://imap.example.com:993/INBOX"
    assert (other.kind, other.host, other.port, other.folder) == (MailboxKind.IMAP_STARTTLS, "::1", 1143, "Mail Box")


@pytest.mark.parametrize("form", ["{}", "maildir:{}", "maildir://{}"])
def test_a_maildir_is_a_folder(tmp_path: Path, form: str) -> None:
    """By its path, or as a URL."""
    folder = made_maildir(tmp_path / "box")

    url = read_mailbox_url(form.format(folder))

    assert (url.kind, url.path, repr(url)) == (MailboxKind.MAILDIR, str(folder), f"maildir:{folder}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not set"),
        ("imap://ann:secret@host", "must be a folder, or a URL that begins with maildir:, imaps://"),
        ("imaps://host/INBOX", "must look like imaps://user:password@host:993/INBOX"),
        ("imaps://ann@host", "must look like"),
        ("imaps://ann:sec@ret@host", "must look like"),
        ("imaps://ann:sec%ret@host", "must look like"),
        ("imaps://ann:secret%0D%0AA1%20LOGOUT@host", "must look like"),
        ("imaps://ann:secret%ff@host", "must look like"),
        ("imaps://ann:secret@host:99999", "a port from 1 to 65535"),
        ("imaps://ann:secret@host/Entw%C3%BCrfe", "a folder in ASCII"),
        ("imaps://ann:secret@ho\x00st", "must look like"),
        ("/no/such/secret", "must name a maildir"),
        ("maildir:", "must name a maildir"),
    ],
)
def test_an_error_says_what_to_do_and_shows_nothing(text: str, said: str) -> None:
    """The password is in no error (R36)."""
    with pytest.raises(SettingsError, match=r"^MAILBOX ") as error:
        read_mailbox_url(text, "MAILBOX")

    assert said in str(error.value)
    assert "sec" not in str(error.value)
