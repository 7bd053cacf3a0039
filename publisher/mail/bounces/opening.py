"""Opens the mailbox of a URL, whichever kind it is."""

from contextlib import AbstractContextManager

from publisher.mail.bounces.imap import opened_imap
from publisher.mail.bounces.mailbox import BounceMailbox
from publisher.mail.bounces.maildir import opened_maildir
from publisher.settings.mailbox_url import MailboxKind, MailboxUrl


def open_mailbox(url: MailboxUrl, *, read_only: bool = False) -> AbstractContextManager[BounceMailbox]:
    """Opens the mailbox, and closes it at the end. Raises MailboxUnavailable.

    read_only: an IMAP mailbox is opened for a look, and no message in it can be marked.
    """
    return opened_maildir(url.path) if url.kind is MailboxKind.MAILDIR else opened_imap(url, read_only=read_only)
