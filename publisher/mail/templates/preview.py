"""Renders one template as its recipient would get it, for its author: no server, no command, nothing is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from publisher.domain.errors import NotFound
from publisher.domain.mailbox import Mailbox
from publisher.domain.names import no_such
from publisher.mail.messages.command import MailCommand
from publisher.mail.messages.faults import AddressFault, TemplateFault
from publisher.mail.messages.message import Letter, build_message
from publisher.mail.messages.references import reference_of
from publisher.mail.templates.samples import SAMPLE_DELIVERY, read_sample
from publisher.mail.templates.templates import Templates

_RECIPIENT = "recipient@example.com"
# Of the Message-ID of a message that nobody is sent.
_KEY = b"preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """A template, rendered.

    locale: the name of the folder that was taken.
    has_variables: False if there were none: none were given, and the template has no sample.
    letter: what the template makes.
    sender: of the message.
    message: the bytes that would be sent, to an example's address.
    """

    locale: str
    has_variables: bool
    letter: Letter
    sender: Mailbox
    message: bytes


def preview(
    path: Path,
    template_id: str,
    locale: str,
    variables: Mapping[str, object] | None,
    sender: Mailbox,
    now: datetime,
) -> Preview | TemplateFault:
    """Renders a template of this folder, and builds its message.

    variables: None for those of the template's sample. sender: of a template that names none. now: the message's date.
    Raises SettingsError if the folder cannot be read, and NotFound if it has no such template.
    """
    templates = Templates(path)
    if template_id not in templates.folder.locales:
        raise NotFound(no_such("template", template_id, templates.folder.locales))
    name = templates.folder.folder_of(template_id, locale)
    if variables is None and name is not None:
        sample = read_sample(templates.folder, template_id, name)
        if isinstance(sample, TemplateFault):
            return sample
        variables = sample
    made = templates.letter(template_id, locale, variables or {}, SAMPLE_DELIVERY)
    if isinstance(made, TemplateFault) or name is None:
        return made if isinstance(made, TemplateFault) else TemplateFault(f"{template_id} has no folder for the locale")
    command = MailCommand(SAMPLE_DELIVERY, _RECIPIENT, template_id, locale, variables or {}, (), now)
    message = build_message(command, made, sender, reference_of(SAMPLE_DELIVERY, _KEY))
    if isinstance(message, AddressFault):
        raise AssertionError(message.message)
    return Preview(name, variables is not None, made, made.sender or sender, message.data)
