"""An IMAP mailbox, within TLS: messages are told apart by their UIDs, and marks are IMAP's own flags."""

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from publisher.domain.errors import MailboxUnavailable
from publisher.domain.masking import masked
from publisher.mail.bounces.imap_errors import one_line, translated, unavailable
from publisher.mail.bounces.mailbox import BATCH, BounceMessage, Mark, UnreadableMessage
from publisher.mail.reports.parts import LONGEST
from publisher.settings.mailbox_url import MailboxKind, MailboxUrl

# Of each step, in seconds. A mailbox server that is busy takes a few.
_TIMEOUT = 30.0
# Messages of one search. imaplib takes no line above a megabyte, and so many UIDs make half of one at most.
_SEARCHED = 50_000
_ADVICE = "look at it with a mail program, or move it out of this mailbox"
_MARKS = {Mark.SEEN: r"(\Seen)", Mark.FLAGGED: r"(\Flagged)"}
_UID = re.compile(rb"\bUID (\d+)")


class ImapMailbox:
    """A selected mailbox, with so many messages. See BounceMailbox."""

    def __init__(self, connection: imaplib.IMAP4, url: MailboxUrl, messages: int) -> None:
        self._connection = connection
        self._url = url
        self._messages = messages

    def unread(self) -> Iterator[Sequence[BounceMessage | UnreadableMessage]]:
        """Yields the unread messages in the order of their UIDs."""
        uids = sorted(self._unread_uids())
        for start in range(0, len(uids), BATCH):
            yield self._fetched(uids[start : start + BATCH])

    def _unread_uids(self) -> set[int]:
        """Searches a part of the mailbox at a time, the newest first.

        What another client removes meanwhile moves the others down, into parts that are searched later.
        """
        uids: set[int] = set()
        last = "*"
        for first in range((self._messages - 1) // _SEARCHED * _SEARCHED + 1, 0, -_SEARCHED):
            for found in self._asked("SEARCH", f"{first}:{last}", "UNSEEN", "UNFLAGGED", "UNDELETED"):
                uids.update(int(uid) for uid in (found.split() if isinstance(found, bytes) else []) if uid.isdigit())
            last = str(first - 1)
        return uids

    def _fetched(self, uids: Sequence[int]) -> list[BounceMessage | UnreadableMessage]:
        """Fetches the messages; one by one where the server refuses them together."""
        # PEEK leaves them unread.
        answer, data = self._answer("FETCH", ",".join(map(str, uids)), f"(UID BODY.PEEK[]<0.{LONGEST}>)")
        if answer == "OK":
            wanted = {str(uid) for uid in uids}
            return [message for message in _messages(data) if message.key in wanted]
        # Those that came before the refusal would be taken for the answer to the next command.
        self._connection.response("FETCH")
        if len(uids) == 1:
            return [UnreadableMessage(str(uids[0]), f"the IMAP server refuses it: {one_line(data)}", _ADVICE)]
        found = [message for uid in uids for message in self._fetched([uid])]
        if len(uids) == BATCH and not any(isinstance(message, BounceMessage) for message in found):
            raise self._refused("FETCH", data)
        return found

    def mark(self, keys: Sequence[str], mark: Mark) -> None:
        """Adds the flag in one command."""
        if keys:
            self._asked("STORE", ",".join(keys), "+FLAGS.SILENT", _MARKS[mark])

    def _asked(self, command: str, *arguments: str) -> list[object]:
        answer, data = self._answer(command, *arguments)
        if answer != "OK":
            raise self._refused(command, data)
        return data

    def _answer(self, command: str, *arguments: str) -> tuple[str, list[object]]:
        with translated(self._url):
            answer, data = self._connection.uid(command, *arguments)
        return answer, list(data)

    def _refused(self, command: str, data: Sequence[object]) -> MailboxUnavailable:
        cause = f"the IMAP server refuses {command}: {one_line(data)}"
        return unavailable(cause, self._url, "see that this user may read and flag there")


@contextmanager
def opened_imap(url: MailboxUrl, *, read_only: bool = False) -> Iterator[ImapMailbox]:
    """Connects, logs in and selects the mailbox; logs out at the end. The server's certificate is verified.

    read_only: the mailbox is opened for a look: nothing in it changes, not even which messages count as new.
    Raises MailboxUnavailable. Its text holds neither the user's name nor the password.
    """
    with translated(url):
        connection = _connected(url)
    try:
        with translated(url):
            _log_in(connection, url)
            messages = _select(connection, url, read_only=read_only)
        yield ImapMailbox(connection, url, messages)
    finally:
        # What was marked is marked; a server that is gone needs no farewell.
        with suppress(imaplib.IMAP4.error, OSError):
            connection.logout()


def _connected(url: MailboxUrl) -> imaplib.IMAP4:
    context = ssl.create_default_context()
    if url.kind is MailboxKind.IMAPS:
        return imaplib.IMAP4_SSL(url.host, url.port, ssl_context=context, timeout=_TIMEOUT)
    connection = imaplib.IMAP4(url.host, url.port, timeout=_TIMEOUT)
    try:
        connection.starttls(ssl_context=context)
    except (imaplib.IMAP4.error, OSError):
        connection.shutdown()
        raise
    return connection


def _log_in(connection: imaplib.IMAP4, url: MailboxUrl) -> None:
    try:
        if "AUTH=PLAIN" in connection.capabilities:
            # It takes any letters, and no quotation marks.
            connection.authenticate("PLAIN", lambda _: f"\0{url.user}\0{url.password}".encode())
        else:
            connection.login(_quoted(url.user), url.password)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, UnicodeEncodeError) as error:
        # The server's words may hold the user's name.
        cause = "the IMAP server refuses the user name or the password"
        raise unavailable(cause, url, "correct them in {named}") from error


def _select(connection: imaplib.IMAP4, url: MailboxUrl, *, read_only: bool) -> int:
    """Returns how many messages the mailbox has."""
    # Read-only it is EXAMINE.
    answer, data = connection.select(_quoted(url.folder), readonly=read_only)
    if answer != "OK":
        cause = f"the IMAP server does not open {masked(url.folder)!r}: {one_line(data)}"
        raise unavailable(cause, url, "correct the folder behind the host in {named}, or who may read it")
    try:
        return int(data[-1] or b"")
    except ValueError as error:
        raise imaplib.IMAP4.error("it does not say how many messages there are") from error


def _messages(data: list[object]) -> list[BounceMessage]:
    """Takes the reply to FETCH apart: imaplib gives a pair for each literal, and the rest of a line as bytes."""
    found = []
    for piece, after in zip(data, [*data[1:], b""], strict=True):
        if isinstance(piece, tuple):
            # The UID may stand behind the text.
            uid = _UID.search(piece[0]) or _UID.search(after if isinstance(after, bytes) else b"")
            if uid is not None:
                found.append(BounceMessage(uid[1].decode(), piece[1][:LONGEST]))
    return found


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
