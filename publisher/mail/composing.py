"""Makes a command's message: parses the entry, renders the template, builds the message."""

from dataclasses import dataclass, replace

from publisher.domain.instants import EPOCH
from publisher.domain.mailbox import Mailbox
from publisher.domain.rejection import Rejection
from publisher.mail.delivery import Fields
from publisher.mail.messages.command import MailCommand, parse_command
from publisher.mail.messages.faults import AddressFault, TemplateFault
from publisher.mail.messages.message import Message, build_message
from publisher.mail.messages.references import return_path
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
    """

    def __init__(self, templates: Templates, sender: Mailbox, return_domain: str) -> None:
        self._templates = templates
        self._sender = sender
        self._return_domain = return_domain

    def __call__(self, fields: Fields) -> Composed | Rejection:
        """Returns the command and its message. Raises nothing, whatever the fields are."""
        command = parse_command(fields)
        if isinstance(command, Rejection):
            return command
        letter = self._templates.letter_for(command)
        command = replace(command, variables={})
        if isinstance(letter, TemplateFault):
            return Composed(command, letter)
        message = build_message(command, letter, self._sender)
        return Composed(command, self._envelope(command, message) if isinstance(message, Message) else message)

    def _envelope(self, command: MailCommand, message: Message) -> Envelope:
        path = return_path(command.delivery_id, self._return_domain) if self._return_domain else message.sender
        return Envelope(path, message.recipient, message.data, message.needs_smtputf8)


def unreadable(delivery_id: str, rejection: Rejection) -> Composed:
    """Returns what is known of a command that cannot be read: its delivery fails, as of its content."""
    command = MailCommand(delivery_id, "", "", "", {}, (), EPOCH)
    return Composed(command, TemplateFault(f"the command cannot be read: {rejection.message}"))
