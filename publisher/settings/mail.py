"""The settings of the mail service, read from PUBLISHER_SMTP_… and PUBLISHER_MAIL_… (R33)."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from publisher.domain.backoff import Backoff
from publisher.domain.errors import SettingsError
from publisher.domain.mailbox import parse_address, parse_mailbox
from publisher.settings.mailbox_url import read_mailbox_url
from publisher.settings.smtp_url import SmtpUrl, read_smtp_url
from publisher.settings.types import PREFIX, LowerCase, Name, PositiveSeconds, Rate, SecondsOrZero, rule, without_blanks

# A return path names its delivery before the @ in so many characters: `publisher.mail.messages.references.return_path`.
_RETURN_PATH_LOCAL = 48
_SENDER_RULE = (
    "PUBLISHER_MAIL_FROM must be one address, such as `Example <hello@example.com>`;"
    ' a name with a comma or another sign is quoted: `"Example, Inc." <hello@example.com>`'
)


def _ascii_domain(text: str) -> str:
    found = parse_address(f"{'x' * _RETURN_PATH_LOCAL}@{text.strip().removesuffix('.')}")
    if found is None:
        raise ValueError("must be a domain that mail can be sent to, such as bounces.example.com")
    return found.domain


class Unsure(StrEnum):
    """What is done about a message that may have been accepted while the reply was lost (R33).

    SEND: it is sent again, with the same Message-ID.
    HOLD: an operator decides.
    """

    SEND = "send"
    HOLD = "hold"


class MailSettings(BaseModel):
    """What the mail service reads at its start. Field x_y is PUBLISHER_MAIL_X_Y, and smtp_x PUBLISHER_SMTP_X.

    smtp_url: the SMTP server; None: this mail service takes no commands.
    smtp_ca_file: certificates that the server's is verified with; blank: the system's.
    smtp_timeout: of each step of a connection.
    sender: the sender of templates that name none.
    templates: the folder of the templates.
    group: the consumer group on the email channel's stream.
    connections: how many connections a process keeps at most: so many messages are being sent at once.
    rate: how fast messages are sent; None: as fast as the server takes them.
    backoff_min, backoff_max: the first and the longest wait after a temporary refusal.
    give_up_after: how long a message is tried, from the first attempt on.
    unsure: what is done about a message that may have been accepted.
    suppress: how long an address stays suppressed after a permanent bounce or a complaint; 0: none is.
    return_domain: of the return paths, each of which names its delivery; in ASCII. Blank: bounces go to the sender.
    bounces_url: the mailbox that bounces go to; blank: none.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        alias_generator=lambda name: PREFIX + ("" if name.startswith("smtp_") else "MAIL_") + name.upper(),
    )

    smtp_url: SmtpUrl | None = None
    smtp_ca_file: str = ""
    smtp_timeout: PositiveSeconds = timedelta(seconds=60)
    sender: str = Field("", alias="PUBLISHER_MAIL_FROM")
    templates: str = ""
    group: Name = "mail-service"
    connections: Annotated[int, Field(ge=1, le=200)] = 16
    rate: Rate = None
    backoff_min: PositiveSeconds = timedelta(minutes=1)
    backoff_max: PositiveSeconds = timedelta(hours=1)
    give_up_after: PositiveSeconds = timedelta(days=2)
    unsure: Annotated[Unsure, LowerCase] = Unsure.SEND
    suppress: SecondsOrZero = timedelta(days=30)
    return_domain: Annotated[str, AfterValidator(_ascii_domain)] = ""
    bounces_url: str = Field("", repr=False)

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The variables that these settings are read from."""
        return frozenset(str(field.alias) for field in cls.model_fields.values())

    @classmethod
    def unknown(cls, environ: Mapping[str, str]) -> list[str]:
        """Returns the variables that begin like those of the mail service and that it does not read: mistyped ones."""
        begin = (f"{PREFIX}MAIL_", f"{PREFIX}SMTP_")
        return sorted(v for v in without_blanks(environ) if v.startswith(begin) and v not in cls.variables())

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        """The settings of this environment, with defaults in the place of what is wrong, and what that is."""
        values: dict[str, object] = {v: text for v, text in without_blanks(environ).items() if v in cls.variables()}
        problems = _read_url(values)
        try:
            found = cls.model_validate(values)
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                variable = str(problem["loc"][0])
                problems.append(f"{variable}: {rule(problem['msg'])}, got {values.pop(variable)!r}")
            found = cls.model_validate(values)
        return found, problems + found._broken_rules()

    @property
    def is_used(self) -> bool:
        """Whether this mail service is to send: without a server it leaves the commands to another one."""
        return self.smtp_url is not None

    @property
    def backoff(self) -> Backoff:
        """The waits after temporary refusals."""
        return Backoff(self.backoff_min, self.backoff_max, jitter=True)

    def _broken_rules(self) -> list[str]:
        problems = []
        if self.backoff_min > self.backoff_max:
            problems.append("PUBLISHER_MAIL_BACKOFF_MIN must be at most PUBLISHER_MAIL_BACKOFF_MAX")
        if self.sender and parse_mailbox(self.sender) is None:
            problems.append(_SENDER_RULE)
        if self.smtp_ca_file and not Path(self.smtp_ca_file).is_file():
            problems.append(f"PUBLISHER_SMTP_CA_FILE: no such file: {self.smtp_ca_file!r}")
        if self.templates and not Path(self.templates).is_dir():
            problems.append(f"PUBLISHER_MAIL_TEMPLATES: no such folder: {self.templates!r}")
        if self.bounces_url:
            problems += _problem_of_mailbox(self.bounces_url)
        if self.is_used:
            needed = {"PUBLISHER_MAIL_FROM": self.sender, "PUBLISHER_MAIL_TEMPLATES": self.templates}
            problems += [f"{name} must be set where PUBLISHER_SMTP_URL is" for name, text in needed.items() if not text]
        return problems


def _read_url(values: dict[str, object]) -> list[str]:
    """Replaces the text of the SMTP server's URL by the URL. Takes out a bad one, and says why, with nothing of it."""
    variable = str(MailSettings.model_fields["smtp_url"].alias)
    text = values.pop(variable, None)
    if text is None:
        return []
    try:
        values[variable] = read_smtp_url(str(text))
    except SettingsError as error:
        return [str(error)]
    return []


def _problem_of_mailbox(url: str) -> list[str]:
    """Returns what is wrong with the URL of the mailbox, with nothing of it. A maildir may be on another machine."""
    try:
        read_mailbox_url(url, is_here=False)
    except SettingsError as error:
        return [str(error)]
    return []
