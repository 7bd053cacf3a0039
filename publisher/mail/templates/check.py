"""Renders every template in every locale with its sample, for `publisher mailer check`: an operator sees what fails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from publisher.domain.mailbox import Mailbox
from publisher.mail.messages.faults import TemplateFault
from publisher.mail.messages.message import Letter
from publisher.mail.templates.folder import TemplateFolder
from publisher.mail.templates.samples import SAMPLE_DELIVERY, read_sample
from publisher.mail.templates.templates import Templates

_LAST_RESORT = "en"


@dataclass(frozen=True, slots=True)
class TemplateFinding:
    """Something about a template that keeps messages from being made, or may do so.

    locale: the name of its folder; None: it is about all locales.
    message: one line that names the file.
    """

    template_id: str
    locale: str | None
    message: str


@dataclass(frozen=True, slots=True)
class TemplateCheck:
    """What rendering all templates showed.

    rendered: how many templates × locales were rendered with a sample.
    senders: who sends the messages of templates that name a sender, each once, in order.
    findings: in the order of the templates; empty: nothing is wrong.
    """

    rendered: int
    senders: Sequence[Mailbox]
    findings: Sequence[TemplateFinding]


def check_templates(path: Path) -> TemplateCheck:
    """Renders all templates of the folder. Raises SettingsError if the folder cannot be read."""
    templates = Templates(path)
    folder = templates.folder
    rendered, senders = 0, set[Mailbox]()
    findings = []
    for template_id, name in _all(folder):
        made = _rendered(folder, templates, template_id, name)
        if isinstance(made, Letter):
            rendered += 1
            senders |= {made.sender} if made.sender else set()
        else:
            findings.append(TemplateFinding(template_id, name, made.message))
    return TemplateCheck(rendered, sorted(senders, key=str), [*findings, *_without_last_resort(folder)])


def _all(folder: TemplateFolder) -> Iterator[tuple[str, str]]:
    for template_id, locales in folder.locales.items():
        for name in locales.values():
            yield template_id, name


def _rendered(folder: TemplateFolder, templates: Templates, template_id: str, name: str) -> Letter | TemplateFault:
    sample = read_sample(folder, template_id, name)
    if sample is None:
        return TemplateFault(f"{template_id}/sample.json is missing: the template was not rendered")
    return sample if isinstance(sample, TemplateFault) else templates.letter(template_id, name, sample, SAMPLE_DELIVERY)


def _without_last_resort(folder: TemplateFolder) -> Iterator[TemplateFinding]:
    for template_id, locales in folder.locales.items():
        if _LAST_RESORT not in locales:
            yield TemplateFinding(
                template_id, None, f"{template_id}/en is missing: a recipient of another locale gets no message"
            )
