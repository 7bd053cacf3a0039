"""Checks the mail of a demo: one message and one `accepted` event for each published email. Reads one to show it."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from publisher.channels.email import EMAIL
from publisher.local.maildir import kept_messages
from storage.answers.answers_among import count_accepted
from storage.database import Database

_HEADERS = ("From", "To", "Subject", "Date")


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as its reader sees it: four fields of its header, decoded, and its text."""

    header: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """What became of the sample's emails.

    accepted: delivery id -> how many `accepted` events are on record.
    messages: delivery id -> how many messages of the mailbox name it, None for those that name none. As a whole None:
        the messages went to a server whose mailboxes are not ours to read.
    shown: the message of the first email; None: it is not in the mailbox.
    """

    accepted: Mapping[str, int]
    messages: Mapping[str | None, int] | None = None
    shown: ShownMessage | None = None


def read_mail(
    database: Database, notification_ids: Collection[str], emails: Collection[str], mailbox: Path | None
) -> Mail:
    """Reads what became of these emails, delivery ids of those notifications.

    mailbox: the maildir of the embedded SMTP server; None: another server took the messages.
    """
    accepted = count_accepted(database, notification_ids, EMAIL.name)
    if mailbox is None:
        return Mail(accepted)
    kept = list(kept_messages(mailbox))
    first = next(iter(emails), None)
    shown = next((read_message(message.path) for message in kept if message.delivery_id == first), None)
    return Mail(accepted, Counter(message.delivery_id for message in kept), shown)


def read_message(path: Path) -> ShownMessage:
    """Reads a message of a maildir."""
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    header = {name: str(message[name]) for name in _HEADERS if message[name] is not None}
    return ShownMessage(header, "" if body is None else body.get_content().replace("\r\n", "\n"))


def mail_problems(emails: Collection[str], mail: Mail, why_not: str | None = None) -> list[str]:
    """Everything that is not as it must be; nothing if each email has one `accepted` event and one message (R33).

    emails: delivery ids.
    why_not: why no more emails are accepted; None: nobody looked for it. Those that were not are one problem then.
    """
    lacking = set() if why_not is None else {each for each in emails if not mail.accepted.get(each)}
    found = [f"{len(lacking):,} emails were not accepted: {why_not}"] if lacking else []
    for delivery_id in [each for each in emails if each not in lacking]:
        if (events := mail.accepted.get(delivery_id, 0)) != 1:
            found.append(f"{delivery_id} was answered `accepted` {events} times")
        if mail.messages is not None and (messages := mail.messages.get(delivery_id, 0)) != 1:
            found.append(f"{delivery_id} has {messages} messages in the mailbox")
    others = (mail.messages or {}).keys() - set(emails)
    return found + [f"the mailbox has a message for {other or 'no delivery'}" for other in sorted(others, key=str)]
