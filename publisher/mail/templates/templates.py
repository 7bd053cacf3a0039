"""Renders templates: a command's template in the recipient's locale makes a letter, or a fault that names the file."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from jinja2 import Template

from publisher.domain.errors import SettingsError
from publisher.mail.messages.command import MailCommand
from publisher.mail.messages.faults import TemplateFault
from publisher.mail.messages.message import Letter, unsubscribe_url
from publisher.mail.templates.budget import bounded, budgeted
from publisher.mail.templates.errors import worded
from publisher.mail.templates.folder import HTML, META, SUBJECT, TEXT, TemplateFolder, fallbacks, list_folder
from publisher.mail.templates.inlining import NotInlined, inlined
from publisher.mail.templates.meta import BadMeta, TemplateMeta, read_meta
from publisher.mail.templates.sandbox import MailSandbox

_LONGEST_BODY, _LONGEST_LINE = 2 * 1024 * 1024, 10_000
_TAG = re.compile(r"[a-z0-9-]{1,35}")


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A template in one locale. place: its folder, from the folder of all."""

    place: str
    subject: Template
    text: Template
    html: Template | None
    meta: TemplateMeta
    unsubscribe: tuple[Template, ...]


class _Faulty(Exception):
    """Ends the rendering of a letter with this line."""


class Templates:
    """The templates of a folder, each compiled once, at its first use (R33).

    A change is taken up at the first check that finds nothing changed since the check before: of files that are being
    written none is used. While the folder cannot be read, templates that were read before are still used.

    folder: see `publisher.mail.templates.folder`. Raises SettingsError if it cannot be read.
    recheck: how long after a check the next one is due. clock: seconds, never going back.
    """

    def __init__(
        self, folder: Path, recheck: timedelta = timedelta(seconds=3), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._recheck = recheck.total_seconds()
        self._clock = clock
        self._check_at = clock() + self._recheck
        self._folder = self._seen = list_folder(folder)
        self._is_readable = True
        self._sandbox = MailSandbox(folder)
        # At most one for each template and locale in the folder, whatever producers ask for.
        self._compiled: dict[tuple[str, str], _Compiled | TemplateFault] = {}

    @property
    def folder(self) -> TemplateFolder:
        """What stood in the folder when it was looked at last."""
        return self._folder

    def letter_for(self, command: MailCommand) -> Letter | TemplateFault:
        """Renders the command's template. Raises nothing, whatever the template and the variables are."""
        return self.letter(command.template_id, command.locale, command.variables, command.delivery_id)

    def letter(
        self, template_id: str, locale: str, variables: Mapping[str, object], delivery_id: str
    ) -> Letter | TemplateFault:
        """Renders a template with these variables, and `delivery_id` beside them.

        locale: `de-AT` takes the folder `de-AT`, else `de`, else `en`.
        """
        self._refresh()
        compiled = self._find(template_id, locale)
        if isinstance(compiled, TemplateFault):
            return compiled
        try:
            with budgeted():
                return self._rendered(compiled, {**variables, "delivery_id": delivery_id})
        except _Faulty as faulty:
            return TemplateFault(str(faulty))

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._check_at:
            return
        self._check_at = now + self._recheck
        try:
            listed = list_folder(self._folder.path)
        except SettingsError as error:
            if self._is_readable:
                structlog.get_logger().warning("templates cannot be read; those read before are used", error=str(error))
            self._is_readable = False
            return
        self._is_readable = True
        has_settled, self._seen = listed == self._seen, listed
        if has_settled and listed != self._folder:
            self._folder, self._sandbox, self._compiled = listed, MailSandbox(listed.path), {}

    def _find(self, template_id: str, locale: str) -> _Compiled | TemplateFault:
        name = self._folder.folder_of(template_id, locale)
        if name is None:
            tried = ", ".join(each for each in fallbacks(locale) if _TAG.fullmatch(each))
            return TemplateFault(f"{template_id}/en/{SUBJECT} is missing; locales that were looked for: {tried}")
        found = self._compiled.get((template_id, name))
        if found is None:
            found = self._compiled[template_id, name] = self._compile(template_id, name)
        return found

    def _compile(self, template_id: str, name: str) -> _Compiled | TemplateFault:
        place = f"{template_id}/{name}"
        for file in (SUBJECT, TEXT):
            if f"{place}/{file}" not in self._folder.files:
                return TemplateFault(f"{place}/{file} is missing")
        try:
            meta = self._meta(template_id)
            return _Compiled(
                place,
                self._loaded(f"{place}/{SUBJECT}"),
                self._loaded(f"{place}/{TEXT}"),
                self._loaded(f"{place}/{HTML}") if f"{place}/{HTML}" in self._folder.files else None,
                meta,
                tuple([self._from_meta(url, template_id) for url in meta.unsubscribe]),
            )
        except _Faulty as faulty:
            return TemplateFault(str(faulty))

    def _loaded(self, file: str) -> Template:
        try:
            template: Template = self._sandbox.get_template(file)
        except Exception as error:
            # Jinja promises no kind of error, nor do the functions that a template calls.
            raise _Faulty(worded(error, self._folder.path, file)) from error
        return template

    def _meta(self, template_id: str) -> TemplateMeta:
        file = f"{template_id}/{META}"
        if file not in self._folder.files:
            return TemplateMeta()
        try:
            return read_meta((self._folder.path / file).read_text())
        except BadMeta as error:
            raise _Faulty(f"{file}: {error}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise _Faulty(worded(error, self._folder.path, file)) from error

    def _from_meta(self, url: str, template_id: str) -> Template:
        try:
            return self._sandbox.from_string(url)
        except Exception as error:
            raise _Faulty(worded(error, self._folder.path, f"{template_id}/{META}")) from error

    def _rendered(self, compiled: _Compiled, variables: Mapping[str, object]) -> Letter:
        html = None
        if compiled.html is not None:
            html = self._html(self._text(compiled.html, variables, f"{compiled.place}/{HTML}"), compiled.place)
        return Letter(
            self._text(compiled.subject, variables, f"{compiled.place}/{SUBJECT}", _LONGEST_LINE),
            self._text(compiled.text, variables, f"{compiled.place}/{TEXT}"),
            html,
            compiled.meta.sender,
            compiled.meta.reply_to,
            tuple([self._url(url, variables, compiled.place) for url in compiled.unsubscribe]),
        )

    def _text(
        self, template: Template, variables: Mapping[str, object], file: str, longest: int = _LONGEST_BODY
    ) -> str:
        try:
            text = "".join(bounded(template.generate(variables), longest))
        except Exception as error:
            raise _Faulty(worded(error, self._folder.path, file)) from error
        # JSON can hold half of a surrogate pair, which no message can.
        return text if text.isascii() else text.encode(errors="replace").decode()

    def _html(self, html: str, place: str) -> str:
        try:
            html = inlined(html)
        except NotInlined as error:
            raise _Faulty(f"{place}/{HTML}: {error}") from error
        if len(html) > _LONGEST_BODY:
            raise _Faulty(f"{place}/{HTML}: it makes more than {_LONGEST_BODY:,} characters")
        return html

    def _url(self, template: Template, variables: Mapping[str, object], place: str) -> str:
        file = f"{place.partition('/')[0]}/{META}"
        url = unsubscribe_url(self._text(template, variables, file, _LONGEST_LINE))
        if url is None:
            raise _Faulty(f"{file}: list_unsubscribe makes no https: or mailto: URL of at most 900 characters")
        return url
