"""Decides where the processes of `publisher up` and `publisher demo` send mail to, and with which templates."""

from collections.abc import Mapping
from pathlib import Path

from publisher.local.embedded import are_given

# Two small ones in two languages, for a first message and for the demo.
TEMPLATES = Path(__file__).parent / "templates"
SENDER = "Chess Club <club@example.com>"


def keeps_mail_here(environ: Mapping[str, str]) -> bool:
    """Whether an embedded SMTP server takes the mail.

    It does where PostgreSQL and Valkey are embedded as well and PUBLISHER_SMTP_URL is not set. So a local mailbox never
    takes the commands of a system whose servers were given.
    """
    return not are_given(environ) and not environ.get("PUBLISHER_SMTP_URL", "").strip()


def mail_environ(smtp_url: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the mail service beside embedded servers.

    smtp_url: of the embedded SMTP server; None: there is none, and mail is sent if PUBLISHER_SMTP_URL is set.
    environ: a sender or templates that it names are kept. The sender of another SMTP server is its user's to name.
    """
    if smtp_url is not None:
        own = {"PUBLISHER_SMTP_URL": smtp_url}
        defaults = {"PUBLISHER_MAIL_FROM": SENDER, "PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES)}
    elif environ.get("PUBLISHER_SMTP_URL", "").strip():
        own, defaults = {}, {"PUBLISHER_MAIL_TEMPLATES": str(TEMPLATES)}
    else:
        return {}
    return own | {name: environ.get(name, "").strip() or value for name, value in defaults.items()}
