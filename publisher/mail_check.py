"""Checks what the mail service needs, for `publisher mailer check`. It sends nothing, and changes nothing (R33).

Each check stands alone: one that cannot look is unknown, and the others go on. Every wait has an end.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from publisher.doctor.verdict import Diagnosis, failed, ok, together, unknown, warning
from publisher.domain.errors import MailboxUnavailable, PublisherError, SettingsError
from publisher.domain.mailbox import Mailbox, parse_mailbox
from publisher.mail.bounces.opening import open_mailbox
from publisher.mail.templates.check import TemplateCheck, check_templates
from publisher.settings.mail import MailSettings
from publisher.settings.mailbox_url import read_mailbox_url
from publisher.smtp_check import Check, check_smtp
from storage.database import Database
from storage.mail.held import HeldFilter, count_held_mail
from storage.mail.progress import deferred_mail
from storage.mail.suppressions import count_suppressions

# Of each look-up of a name.
_PATIENCE = timedelta(seconds=10)


def check_mail(
    settings: MailSettings,
    problems: Sequence[str],
    ignored: Sequence[str],
    open_store: Callable[[], Database],
    now: datetime,
) -> Iterator[Check]:
    """Yields each check by its name, as soon as it is done. Raises nothing that a server or a file could cause.

    settings, problems: as `MailSettings.read` returned them. ignored: as `MailSettings.unknown` did.
    open_store: returns PostgreSQL, or raises the PublisherError that says why it is not to be looked at.
    """
    yield "settings", _settings(settings, problems, ignored)
    yield from check_smtp(settings, now)
    templates = _templates(settings.templates)
    yield "templates", templates if isinstance(templates, Diagnosis) else _rendered(templates)
    senders = [] if isinstance(templates, Diagnosis) else templates.senders
    yield "from", _senders(settings, senders)
    yield "return-domain", _return_domain(settings)
    yield "bounces", _bounces(settings)
    yield "deliveries", _deliveries(open_store)


def _settings(settings: MailSettings, problems: Sequence[str], ignored: Sequence[str]) -> Diagnosis:
    complaints = [failed(problem, "correct the variable") for problem in problems]
    if ignored:
        complaints.append(warning(f"ignored: {', '.join(ignored)}", "correct the names, or take the variables away"))
    if settings.smtp_url is None and not problems:
        complaints.append(
            warning(
                "PUBLISHER_SMTP_URL is not set: this mail service leaves the commands to another one",
                "if this one is to send, set it, e.g. smtp+starttls://user:password@host:587",
            )
        )
    return together(complaints, "every variable that is needed is set")


def _templates(folder: str) -> TemplateCheck | Diagnosis:
    if not folder:
        return unknown("not looked at: no folder of templates is named", "set PUBLISHER_MAIL_TEMPLATES")
    try:
        return check_templates(Path(folder))
    except SettingsError as error:
        return failed(str(error), "let this user read the folder")


def _rendered(found: TemplateCheck) -> Diagnosis:
    complaints = [
        failed(f"{each.template_id}/{each.locale}: {each.message}", "see it with: publisher mailer preview")
        if each.locale is not None
        else warning(each.message, "add that locale, which every other one falls back to")
        for each in found.findings
    ]
    if not complaints and not found.rendered:
        return warning("there is no template in the folder", "see: publisher guide mail")
    return together(complaints, f"{found.rendered:,} rendered, each in its locale with its sample")


def _senders(settings: MailSettings, of_templates: Sequence[Mailbox]) -> Diagnosis:
    own = parse_mailbox(settings.sender)
    if own is None and not of_templates:
        return unknown("not looked at: PUBLISHER_MAIL_FROM is not set, or wrong", "set or correct it")
    domains = dict.fromkeys(each.domain for each in ([own] if own else []) + [*of_templates])
    return _resolved(domains, "sends from")


def _return_domain(settings: MailSettings) -> Diagnosis:
    if not settings.return_domain:
        return ok("none is set: bounces go to the sender")
    return _resolved([settings.return_domain], "bounces go to")


def _resolved(domains: Iterable[str], said: str) -> Diagnosis:
    """Looks the domains up by their addresses. A domain may well have mail servers alone, which are not looked up."""
    names = list(domains)
    complaints = [
        warning(f"{domain}: no address was found", "see that it is spelled right, and look at its MX, SPF and DMARC")
        for domain in names
        if not _has_address(domain)
    ]
    return together(complaints, f"{said} {', '.join(names)}: found; look at SPF, DKIM and DMARC by hand")


def _has_address(domain: str) -> bool:
    found = threading.Event()

    def look() -> None:
        try:
            socket.getaddrinfo(domain, None)
        except (OSError, UnicodeError):
            return
        found.set()

    # The system's resolver may take minutes: this thread is left behind then.
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(_PATIENCE.total_seconds())
    return found.is_set()


def _bounces(settings: MailSettings) -> Diagnosis:
    if not settings.bounces_url:
        return ok("no mailbox is named: bounces that come later are read by nobody here")
    try:
        url = read_mailbox_url(settings.bounces_url)
        with open_mailbox(url, read_only=True):
            return ok(f"{url.shown} opens")
    except (MailboxUnavailable, SettingsError) as error:
        return failed(str(error), "mend that, and check again")


def _deliveries(open_store: Callable[[], Database]) -> Diagnosis:
    try:
        database = open_store()
        held, _ = count_held_mail(database, HeldFilter())
        deferred, suppressed = deferred_mail(database), count_suppressions(database)
    except PublisherError as error:
        return unknown(f"not looked at: {error}", "set DATABASE_URL and REDIS_URL to see what waits")
    said = f"{deferred.count:,} deferred, {held:,} held, {suppressed:,} addresses suppressed"
    return warning(said, "decide about them: publisher mailer held list") if held else ok(said)
