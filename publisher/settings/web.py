"""The settings of the page and of the HTTP door, read from PUBLISHER_WEB_… and PORT."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from publisher.domain.errors import SettingsError
from publisher.settings.types import PREFIX, Name, rule, without_blanks

# 16 letters and digits by chance are 95 bits: nobody guesses that over a network.
_SHORTEST_TOKEN = 16
PORT = 8000
_LOOPBACK_NAME = "localhost"


def _token(text: str) -> str:
    token = text.strip()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"must have at least {_SHORTEST_TOKEN} letters and digits: `openssl rand -hex 24` makes one")
    return token


Token = Annotated[str, AfterValidator(_token)]


def is_loopback(host: str) -> bool:
    """Whether a name or an address is one of this machine itself, wherever it is looked up."""
    if host == _LOOPBACK_NAME:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class WebSettings(BaseModel):
    """What `publisher web` reads at its start. Field x_y is the variable PUBLISHER_WEB_X_Y.

    host: the address that it listens on.
    port: 0: any free one. PORT, which platforms set, holds where PUBLISHER_WEB_PORT is not set.
    read_token: whoever has it sees everything but addresses; None: nobody is let in by one.
    operate_token: whoever has it may do everything; None: nobody is let in by one.
    metrics_token: whoever has it may read the metrics; None: they are served on loopback alone.
    door_rate: requests a second that the HTTP door takes with one token, in this process; 0: any number.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        alias_generator=lambda name: f"{PREFIX}WEB_{name.upper()}",
    )

    host: Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = PORT
    read_token: Token | None = Field(None, repr=False)
    operate_token: Token | None = Field(None, repr=False)
    metrics_token: Token | None = Field(None, repr=False)
    door_rate: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 200

    @classmethod
    def variables(cls) -> frozenset[str]:
        """The variables of its own that these settings are read from."""
        return frozenset(str(field.alias) for field in cls.model_fields.values())

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Self, list[str]]:
        """The settings of this environment, with defaults in the place of what is wrong, and what that is."""
        said = without_blanks(environ)
        values = {v: text for v, text in said.items() if v in cls.variables()}
        port, from_platform = f"{PREFIX}WEB_PORT", "PORT" in said and f"{PREFIX}WEB_PORT" not in said
        if from_platform:
            values[port] = said["PORT"]
        problems = []
        try:
            return cls.model_validate(values), []
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                variable = str(problem["loc"][0])
                got = values.pop(variable)
                # A token that is too short is a secret all the same.
                shown = "" if variable.endswith("_TOKEN") else f", got {got!r}"
                name = "PORT" if variable == port and from_platform else variable
                problems.append(f"{name}: {rule(problem['msg'])}{shown}")
            return cls.model_validate(values), problems

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine reaches the page."""
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        """Where the page is. Its port is 0 if any free one is taken."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def serves_metrics(self) -> bool:
        """Whether anybody may read the metrics."""
        return self.is_on_loopback or self.metrics_token is not None

    @property
    def is_open(self) -> bool:
        """Whether everybody who reaches the page may do everything: no token is set."""
        return self.read_token is None and self.operate_token is None

    @property
    def missing_tokens(self) -> list[str]:
        """The variables of tokens that have to be set: others than this machine reach the page."""
        if self.is_on_loopback:
            return []
        tokens = (("READ", self.read_token), ("OPERATE", self.operate_token))
        return [f"{PREFIX}WEB_{name}_TOKEN" for name, token in tokens if token is None]

    def check(self) -> None:
        """Raises SettingsError if others than this machine could reach the page without a token."""
        if missing := self.missing_tokens:
            raise SettingsError(
                f"PUBLISHER_WEB_HOST is {self.host!r}, which others reach: set {' and '.join(missing)} as well,"
                " or leave PUBLISHER_WEB_HOST at 127.0.0.1"
            )
