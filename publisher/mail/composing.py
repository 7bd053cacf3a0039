"""Makes a command's message: parses the entry, renders the template, builds the message."""

from dataclasses import dataclass, replace

from publisher.domain.instants import EPOCH
from publisher.domain.mailbox import Mailbox
from publisher.domain.rejection import Rejection
from publisher.mail.delivery import Fields
from publisher.mail.messages.command import MailCommand, parse_command
from publisher.mail.messages.faults import AddressFault, TemplateFault
from publisher.mail.messages.message import Message, build_message
from publisher.mail.messages.references import Reference, reference_of, return_path
from publisher.mail.smtp.outcome import Envelope
from publisher.mail.templates.templates import Templates


@dataclass(frozen=True, slots=True)
class Composed:
    """A command and its message, ready to be sent, or why there is none.

    command: without its variables, which only take up memory from here on.
    """

    command: MailCommand
    message: Envelope | TemplateFault | AddressFault


class Composer:
    """Composes messages. One thread at a time.

    sender: of templates that name none.
    return_domain: of the return paths, each of which names its delivery; blank: bounces go to the sender.
    key: of the words that name a delivery.
    """

    def __init__(self, templates: Templates, sender: Mailbox, return_domain: str, key: bytes) -> None:
        self._templates = templates
        self._sender = sender
        self._return_domain = return_domain
        self._key = key

    def __call__(self, fields: Fields) -> Composed | Rejection:
        """Returns the command and its message. Raises nothing, whatever the fields are."""
        command = parse_command(fields)
        if isinstance(command, Rejection):
            return command
        letter = self._templates.letter_for(command)
        command = replace(command, variables={})
        if isinstance(letter, TemplateFault):
            return Composed(command, letter)
        reference = reference_of(command.delivery_id, self._key)
        message = build_message(command, letter, self._sender, reference)
        return Composed(command, self._envelope(reference, message) if isinstance(message, Message) else message)

    def _envelope(self, reference: Reference, message: Message) -> Envelope:
        path = return_path(reference, self._return_domain) if self._return_domain else message.sender
        return Envelope(path, message.recipient, message.data, message.needs_smtputf8)


def unreadable(delivery_id: str, rejection: Rejection) -> Composed:
    """Returns what is known of a command that cannot be read: its delivery fails, as of its content."""
    command = MailCommand(delivery_id, "", "", "", {}, (), EPOCH)
    return Composed(command, TemplateFault(f"the command cannot be read: {rejection.message}"))
