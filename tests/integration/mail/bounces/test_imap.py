"""A mailbox by IMAP, on a real socket within TLS."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from publisher.domain.errors import MailboxUnavailable
from publisher.mail.bounces.mailbox import BATCH, BounceMessage, Mark, UnreadableMessage
from publisher.mail.bounces.opening import open_mailbox
from publisher.mail.reports.parts import LONGEST
from publisher.settings.mailbox_url import MailboxUrl, read_mailbox_url
from tests.imap_server import ImapMailboxState, imap_server
from tests.smtp_servers import hostile_smtp


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of these tests."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process trusts that authority, as it would one of the system."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[ImapMailboxState]:
    """A mailbox within TLS."""
    with imap_server(authority) as state:
        yield state


def url(state: ImapMailboxState, scheme: str = "imaps", password: str = "", folder: str = "") -> MailboxUrl:
    """The URL of the mailbox. password: blank for the right one."""
    password = password or "pass word/é"
    return read_mailbox_url(f"{scheme}://ann:{quote(password, safe='')}@127.0.0.1:{state.port}/{folder}")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("plain", [True, False])
def test_unread_messages_are_read_and_marked(server: ImapMailboxState, plain: bool) -> None:
    """Reading marks nothing; a message that was seen or flagged is not read again."""
    server.plain = plain
    server.login = server.login if plain else '\0ann\0pass \\"word'
    seen, flagged, new = (server.deliver(b"Subject: %d\n\nhello\n" % n) for n in range(3))
    server.flags[seen].add(r"\Seen")

    with open_mailbox(url(server, password="" if plain else 'pass "word', folder="Bounces")) as mailbox:
        [[first, second]] = list(mailbox.unread())
        assert [first.key, second.key] == [str(flagged), str(new)]
        assert isinstance(first, BounceMessage)
        assert first.data == b"Subject: 1\r\n\r\nhello\r\n"
        assert server.flags[new] == set()
        mailbox.mark([first.key], Mark.FLAGGED)
        mailbox.mark([], Mark.SEEN)
        mailbox.mark([second.key], Mark.SEEN)
        assert list(mailbox.unread()) == []

    assert server.selected == '"Bounces"'
    assert server.flags == {seen: {r"\Seen"}, flagged: {r"\Flagged"}, new: {r"\Seen"}}


@pytest.mark.usefixtures("trusted")
def test_a_look_changes_nothing(server: ImapMailboxState) -> None:
    """Opened to be read alone, a mailbox is as new to the next reader as before."""
    server.deliver(b"Subject: 1\n\n")
    with open_mailbox(url(server), read_only=True) as mailbox:
        assert [len(batch) for batch in mailbox.unread()] == [1]

    assert (server.selected, server.examined) == ("", '"INBOX"')


@pytest.mark.usefixtures("trusted")
def test_tls_may_begin_later(authority: trustme.CA) -> None:
    """With imap+starttls:// the login waits for it."""
    with imap_server(authority, starttls=True) as server:
        server.deliver(b"Subject: 1\n\n")
        with open_mailbox(url(server, "imap+starttls")) as mailbox:
            assert [len(batch) for batch in mailbox.unread()] == [1]


@pytest.mark.usefixtures("trusted")
def test_a_huge_message_is_read_in_part(server: ImapMailboxState) -> None:
    """As much as a report needs."""
    server.deliver(b"x" * (LONGEST + 100_000))

    with open_mailbox(url(server)) as mailbox:
        [[message]] = list(mailbox.unread())

    assert isinstance(message, BounceMessage)
    assert (len(message.data), server.sent) == (LONGEST, LONGEST)


@pytest.mark.usefixtures("trusted")
def test_a_mailbox_of_very_many_messages_is_read(server: ImapMailboxState) -> None:
    """Their UIDs together make a line that imaplib does not take: they are asked for a part at a time."""
    last = 4_000_000_000
    uids = range(last - 100_000, last)
    server.messages, server.flags = dict.fromkeys(uids, b"Subject: 1\r\n\r\n"), {uid: set() for uid in uids}

    with open_mailbox(url(server)) as mailbox:
        batches = mailbox.unread()
        assert [message.key for message in next(batches)] == [str(uid) for uid in uids[:BATCH]]
        server.messages, server.flags = {}, {}
    with open_mailbox(url(server)) as mailbox:
        assert list(mailbox.unread()) == []


@pytest.mark.usefixtures("trusted")
def test_a_message_that_the_server_cannot_read_holds_up_no_other(server: ImapMailboxState) -> None:
    """Those before it and behind it are read once each, and it is named with the server's reason (R36)."""
    uids = [server.deliver(b"Subject: %d\n\n" % n) for n in range(3)]
    server.broken = {uids[1]}

    with open_mailbox(url(server)) as mailbox:
        [batch] = list(mailbox.unread())

    assert [message.key for message in batch] == [str(uid) for uid in uids]
    unreadable = batch[1]
    assert isinstance(unreadable, UnreadableMessage)
    assert unreadable.reason == "the IMAP server refuses it: [SERVERBUG] cannot read the mail to a***@example.com done"
    assert [message.data for message in batch if isinstance(message, BounceMessage)] == [
        b"Subject: 0\r\n\r\n",
        b"Subject: 2\r\n\r\n",
    ]


@pytest.mark.usefixtures("trusted")
def test_a_server_that_lets_nothing_be_read_is_said_so(server: ImapMailboxState) -> None:
    """Not of each message, of which there may be many."""
    for _ in range(BATCH):
        server.deliver(b"Subject: 1\n\n")
    server.refuse = {"FETCH"}

    with (
        open_mailbox(url(server)) as mailbox,
        pytest.raises(MailboxUnavailable, match="the IMAP server refuses FETCH"),
    ):
        list(mailbox.unread())


def test_an_unknown_certificate_is_not_trusted(server: ImapMailboxState) -> None:
    """No password is sent to such a server."""
    with pytest.raises(MailboxUnavailable, match=r"not trusted.*SSL_CERT_FILE"), open_mailbox(url(server)):
        pass


@pytest.mark.usefixtures("trusted")
def test_errors_show_neither_password_nor_address(server: ImapMailboxState) -> None:
    """Whatever the server says (R36). Each names the place, and what to correct (R35)."""
    place = f"imaps://127.0.0.1:{server.port}/INBOX"
    server.deliver(b"Subject: 1\n\n")
    said = []
    for refused, password in [("", "wrong"), ("SELECT", ""), ("SEARCH", "")]:
        server.refuse = {refused}
        with pytest.raises(MailboxUnavailable) as error, open_mailbox(url(server, password=password)) as mailbox:
            list(mailbox.unread())
        said.append(str(error.value))

    assert said == [
        (
            f"the IMAP server refuses the user name or the password ({place}): correct them in"
            " PUBLISHER_MAIL_BOUNCES_URL"
        ),
        (
            f"the IMAP server does not open 'INBOX': [CANNOT] not for a***@example.com ({place}): correct the folder"
            " behind the host in PUBLISHER_MAIL_BOUNCES_URL, or who may read it"
        ),
        (
            f"the IMAP server refuses SEARCH: [CANNOT] not for a***@example.com ({place}): see that this user may read"
            " and flag there"
        ),
    ]


@pytest.mark.usefixtures("trusted")
def test_a_server_that_is_gone_is_said_so(authority: trustme.CA) -> None:
    """With its place, and the variable that names it (R35)."""
    with imap_server(authority) as server:
        gone = url(server)

    with pytest.raises(MailboxUnavailable) as error, open_mailbox(gone):
        pass
    assert str(error.value) == (
        f"the IMAP server cannot be reached: connection refused (imaps://127.0.0.1:{server.port}/INBOX): see that the"
        " IMAP server runs there, or correct PUBLISHER_MAIL_BOUNCES_URL"
    )


def test_a_host_that_nobody_knows_and_a_scheme_that_does_not_fit_are_said_so() -> None:
    """What to write in its place is said."""
    unknown = read_mailbox_url("imaps://a:b@no-such-host.invalid/INBOX", "MAILBOX")
    with (
        pytest.raises(MailboxUnavailable, match=r"the host name is unknown .*: correct MAILBOX"),
        open_mailbox(unknown),
    ):
        pass
    with hostile_smtp() as server:
        plain = read_mailbox_url(f"imaps://a:b@127.0.0.1:{server.port}/INBOX")
        with (
            pytest.raises(MailboxUnavailable, match=r"no TLS .*write imap.starttls:// in PUBLISHER_MAIL_BOUNCES_URL"),
            open_mailbox(plain),
        ):
            pass
