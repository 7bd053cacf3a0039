"""Checks the URL of the mailbox to which bounces go. It may hold a password: no error and no log shows more than where.

A maildir is a folder on this machine: `maildir:///var/mail/bounces`, or its path alone. An IMAP mailbox is reached over
TLS only: `imaps://user:password@host/INBOX`, or `imap+starttls://` where the server begins without.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from publisher.domain.errors import SettingsError

VARIABLE = "PUBLISHER_MAIL_BOUNCES_URL"
_ENCODE = "percent-encode its user name and password (@ is %40, / is %2F, : is %3A, ? is %3F, # is %23, % is %25)"
_PARTS = re.compile(
    r"(?:([^/?#@:]+)(?::([^/?#@:]+))?@)(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?(?:/([^?#@]*))?", re.ASCII
)
_RAW_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class MailboxKind(StrEnum):
    """How a mailbox is reached: a maildir on this machine, IMAP within TLS, or IMAP that turns to TLS first."""

    MAILDIR = "maildir"
    IMAPS = "imaps"
    IMAP_STARTTLS = "imap+starttls"


_PORTS = {MailboxKind.IMAPS: 993, MailboxKind.IMAP_STARTTLS: 143}


@dataclass(frozen=True, slots=True, repr=False)
class MailboxUrl:
    """Where a mailbox is, and how to log in there.

    path: of a maildir. host, port, user, password, folder: of an IMAP mailbox. Blank where they do not apply.
    shown: what may be shown of it; it is the repr, too.
    named: the variable or argument that it is from, for errors.
    """

    kind: MailboxKind
    shown: str
    path: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    folder: str = ""
    named: str = VARIABLE

    def __repr__(self) -> str:
        return self.shown


def read_mailbox_url(text: str, named: str = VARIABLE, *, is_here: bool = True) -> MailboxUrl:
    """Reads the URL of a mailbox.

    named: the variable or argument that it is from, for errors.
    is_here: a maildir must be on this machine; False: its folders are not looked at.
    Raises SettingsError, which shows nothing of the URL.
    """
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    if not text:
        raise SettingsError(f"{named} is not set, e.g. maildir:///var/mail/bounces or imaps://user:password@host/INBOX")
    if scheme == MailboxKind.MAILDIR and colon:
        return _maildir(rest.removeprefix("//"), named, is_here=is_here)
    if scheme in _PORTS and rest.startswith("//"):
        return _imap(MailboxKind(scheme), rest[2:], named)
    if "://" not in text:
        return _maildir(text, named, is_here=is_here)
    raise SettingsError(f"{named} must be a folder, or a URL that begins with maildir:, imaps:// or imap+starttls://")


def _maildir(path: str, named: str, *, is_here: bool) -> MailboxUrl:
    folder = Path(unquote(path))
    if not path or (is_here and not all((folder / part).is_dir() for part in ("new", "cur"))):
        raise SettingsError(f"{named} must name a maildir: a folder with the folders new, cur and tmp in it")
    return MailboxUrl(MailboxKind.MAILDIR, f"maildir:{folder}", path=str(folder))


def _imap(kind: MailboxKind, text: str, named: str) -> MailboxUrl:
    found = _PARTS.fullmatch(text)
    if found is None or found[2] is None or _RAW_PERCENT.search(text) or not text.isprintable() or not _is_text(text):
        raise SettingsError(
            f"{named} cannot be read: it must look like {kind}://user:password@host:{_PORTS[kind]}/INBOX; {_ENCODE}"
        )
    port = int(found[4] or _PORTS[kind])
    if not 0 < port <= 65_535:
        raise SettingsError(f"{named} must name a port from 1 to 65535: {_ENCODE}")
    user, password, folder = unquote(found[1]), unquote(found[2]), unquote(found[5] or "") or "INBOX"
    if not folder.isascii():
        raise SettingsError(f"{named} must name a folder in ASCII, as the server writes it (RFC 3501)")
    host = found[3].strip("[]")
    return MailboxUrl(kind, f"{kind}://{found[3]}:{port}/{folder}", "", host, port, user, password, folder, named)


def _is_text(text: str) -> bool:
    """Whether all that is percent-encoded is text without control characters: a line end would begin a command."""
    try:
        return unquote_to_bytes(text).decode().isprintable()
    except UnicodeDecodeError:
        return False
