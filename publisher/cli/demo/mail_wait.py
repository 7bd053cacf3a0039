"""Says what the emails of `publisher demo` wait for: the SMTP server, or what that server refused for now."""

import time
from collections.abc import Callable
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from publisher.domain.errors import MailServerUnavailable, PublisherError, SettingsError
from publisher.settings.mail import MailSettings
from publisher.smtp_check import greet

# The demo waits for so long at most, in each step of a connection, to learn why nothing moves.
_PATIENCE = timedelta(seconds=3)
# The reason is looked for again after so long.
_AGAIN_SECONDS = 10.0


def must_take_mail(settings: MailSettings, say: Console) -> None:
    """Connects to the SMTP server of the settings, if they name one, and says so.

    Raises PublisherError if no mail can be sent: nobody has to wait for it then.
    """
    if settings.smtp_url is None:
        return
    say.print(f"connecting to the SMTP server {settings.smtp_url.shown}", style="dim")
    try:
        greet(settings.smtp_url, settings)
    except (MailServerUnavailable, SettingsError) as error:
        raise PublisherError(f"no mail can be sent, so nothing was started: {error}") from error


class MailWait:
    """Looks for the reason while emails are not answered.

    reason: the one that was found last; None: it was not looked for yet.
    """

    def __init__(self, settings: MailSettings, read_refusal: Callable[[], str | None], say: Console) -> None:
        """read_refusal: reads in which words an email was refused for now; None: none was."""
        self.reason: str | None = None
        self._settings = settings
        self._read_refusal = read_refusal
        self._say = say
        self._looked_at = float("-inf")

    def tell(self, emails: int) -> None:
        """Says what so many emails wait for, whenever that has changed. Looks for it every ten seconds at most."""
        if time.monotonic() - self._looked_at < _AGAIN_SECONDS:
            return
        reason = self._found()
        self._looked_at = time.monotonic()
        if reason != self.reason:
            self.reason = reason
            self._say.print(Text(f"{emails:,} emails wait: {reason}"))

    def _found(self) -> str:
        if self._settings.smtp_url is not None:
            try:
                greet(self._settings.smtp_url, self._settings, _PATIENCE)
            except (MailServerUnavailable, SettingsError) as error:
                return f"no mail can be sent: {error}"
        refusal = self._read_refusal()
        if refusal is not None:
            return f"the SMTP server refuses them for now, and they are tried again: {refusal}"
        return "the SMTP server answers, and has refused none: the log of the processes says more"
