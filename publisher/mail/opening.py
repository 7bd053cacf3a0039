"""Opens the mailbox of a URL, whichever kind it is."""

from contextlib import AbstractContextManager

from publisher.mail.bounce_mailbox import BounceMailbox
from publisher.mail.imap import opened_imap
from publisher.mail.maildir import opened_maildir
from publisher.settings.mailbox_url import MailboxKind, MailboxUrl


def open_mailbox(url: MailboxUrl) -> AbstractContextManager[BounceMailbox]:
    """Opens the mailbox, and closes it at the end. Raises MailboxUnavailable."""
    return opened_maildir(url.path) if url.kind is MailboxKind.MAILDIR else opened_imap(url)
