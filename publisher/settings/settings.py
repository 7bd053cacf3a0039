"""Settings, read from the environment alone and checked once at start. One message lists every problem."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from publisher.domain.backoff import Backoff
from publisher.domain.channel import PARTITIONS, Channel
from publisher.domain.circuit import Probing
from publisher.domain.errors import SettingsError
from publisher.domain.retention import Retention, kept_for
from publisher.domain.shares import WEIGHTS
from publisher.domain.stream_address import StreamAddress
from publisher.domain.timeouts import Timeouts
from publisher.settings.channels import ChannelSettings, shared_variables
from publisher.settings.connection_url import ConnectionUrl, read_urls
from publisher.settings.mail import MailSettings
from publisher.settings.mistyped import meant_variables
from publisher.settings.rules import COMPARED, broken_rules
from publisher.settings.stream_names import wrong_stream_names
from publisher.settings.stream_servers import (
    EVENTS,
    INTENTS,
    StreamRedis,
    on_own_server,
    place_of,
    read_stream_servers,
    stream_server_variables,
)
from publisher.settings.tracing import read_span_exporters, read_span_secrets
from publisher.settings.types import (
    PREFIX,
    LaneWeights,
    LowerCase,
    Name,
    PositiveSeconds,
    SecondsOrZero,
    UpperCase,
    rule,
    without_blanks,
)
from publisher.settings.web import WebSettings

# Fields that are no variables of their own.
_PUT_TOGETHER = (
    *("channels", "stream_servers", "mail", "web", "span_exporters", "span_secrets"),
    *("unknown_variables", "meant_variables", "renamed_variables"),
)


class Settings(BaseModel):
    """What every process reads at its start. Field x_y is the variable PUBLISHER_X_Y, but for the two URLs.

    stream_servers: the Redis of each stream that has one of its own, by the variable that names it.
    mail: of the mail service, from variables of its own.
    web: of the page and the HTTP door, from variables of their own.
    span_exporters: where spans go, from OpenTelemetry's variables; none: tracing is off.
    span_secrets: what no log line may show of those variables.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        alias_generator=lambda name: name.upper() if name.endswith("_url") else PREFIX + name.upper(),
    )

    database_url: ConnectionUrl
    redis_url: ConnectionUrl
    redis_tls: Annotated[Literal["verify", "insecure"], LowerCase] = "verify"
    redis_ca_file: str = ""
    route_lease_ttl: PositiveSeconds = timedelta(seconds=30)
    route_backoff_min: PositiveSeconds = timedelta(seconds=1)
    route_backoff_max: PositiveSeconds = timedelta(seconds=1800)
    route_backoff_jitter: bool = False
    retry_horizon: SecondsOrZero = timedelta(seconds=300)
    dedup_window: PositiveSeconds = timedelta(seconds=3600)
    audit_window: SecondsOrZero = timedelta(seconds=600)
    scan_interval: PositiveSeconds = timedelta(seconds=5)
    parking: bool = True
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 500
    lane_weights: LaneWeights = Field("/".join(map(str, WEIGHTS.values())), validate_default=True)
    intents_stream: Name = "notification:intents"
    intents_partitions: Annotated[int, Field(ge=1, le=PARTITIONS)] = 1
    intents_group: Name = "notification-publisher"
    intents_retention: SecondsOrZero = timedelta(hours=1)
    events_stream: Name = "notification:delivery_events"
    events_group: Name = "notification-publisher"
    events_retention: SecondsOrZero = timedelta(hours=1)
    retention: SecondsOrZero = timedelta(days=30)
    key_retention: SecondsOrZero = timedelta(days=90)
    log_format: Annotated[Literal["auto", "json", "console"], LowerCase] = "auto"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], UpperCase] = "INFO"
    log_addresses: Annotated[Literal["masked", "full"], LowerCase] = "masked"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    # Not variables of their own: put together from PUBLISHER_<CHANNEL>_…, PUBLISHER_MAIL_…, PUBLISHER_WEB_… and from
    # what nobody knows.
    channels: Mapping[str, Channel] = Field(default_factory=dict, exclude=True, validate_default=False)
    stream_servers: Mapping[str, StreamRedis] = Field(default_factory=dict, exclude=True, validate_default=False)
    mail: MailSettings = Field(default_factory=lambda: MailSettings.model_validate({}), exclude=True)
    web: WebSettings = Field(default_factory=lambda: WebSettings.model_validate({}), exclude=True)
    span_exporters: tuple[str, ...] = Field(default=(), exclude=True)
    span_secrets: tuple[str, ...] = Field(default=(), exclude=True, repr=False)
    unknown_variables: tuple[str, ...] = Field(default=(), exclude=True)
    meant_variables: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    # Old name -> the name now.
    renamed_variables: Mapping[str, str] = Field(default_factory=dict, exclude=True)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], channels: Mapping[str, Channel]) -> Self:
        """The settings in this environment, with these channels as it adjusts them. A blank variable is not set.

        Raises SettingsError that names every variable at fault and the rule it breaks, in one line.
        """
        known = {str(field.alias): name for name, field in cls.model_fields.items()}
        for internal in _PUT_TOGETHER:
            known.pop(str(cls.model_fields[internal].alias))
        said = without_blanks(environ)
        values = {known[variable]: value for variable, value in said.items() if variable in known}
        problems, wrong, good = cls._read(values)
        mail, wrong_of_mail = MailSettings.read(said)
        web, wrong_of_web = WebSettings.read(said)
        problems += wrong_of_mail + wrong_of_web
        servers, wrong_of_servers = read_stream_servers(said, channels.values(), good.redis_url)
        problems += wrong_of_servers
        adjusted: dict[str, Channel] = {}
        for name, channel in channels.items():
            try:
                adjusted[name] = on_own_server(ChannelSettings.adjust(channel, environ), servers)
            except SettingsError as error:
                problems.append(str(error))
        problems += broken_rules({name: getattr(good, name) for name in COMPARED}, wrong)
        problems += wrong_stream_names(good.intents, good.events_stream, adjusted.values(), servers)
        own = {*known, *stream_server_variables([]), *MailSettings.variables(), *WebSettings.variables()}
        problems += shared_variables(channels, own)
        if problems:
            raise SettingsError("bad settings: " + "; ".join(problems))
        of_channels = {v for channel in channels.values() for v in ChannelSettings.variables(channel)}
        of_channels |= {*stream_server_variables(channels.values())}
        understood = own | of_channels
        unknown = tuple(sorted(v for v in environ if v.startswith(PREFIX) and v not in understood))
        renamed = {old: new for c in channels.values() for old, new in ChannelSettings.renamed(c, said).items()}
        return good.model_copy(
            update={
                "channels": adjusted,
                "stream_servers": servers,
                "mail": mail,
                "web": web,
                "span_exporters": read_span_exporters(said),
                "span_secrets": read_span_secrets(said),
                "unknown_variables": unknown,
                "meant_variables": meant_variables(unknown, understood),
                "renamed_variables": renamed,
            }
        )

    @classmethod
    def _read(cls, values: Mapping[str, str]) -> tuple[list[str], set[str], Self]:
        """What is wrong with single values, which fields that is, and the settings with defaults in their place."""
        urls, problems = read_urls(values)
        problems += _bad_files(values)
        wrong: set[str] = set()
        good: dict[str, object] = {**values, **urls}
        try:
            return problems, wrong, cls.model_validate(good)
        except ValidationError as error:
            by_alias = {str(field.alias): name for name, field in cls.model_fields.items()}
            for problem in error.errors(include_url=False):
                variable = str(problem["loc"][0])
                field = by_alias.get(variable, variable)
                wrong.add(field)
                problems.append(f"{cls.model_fields[field].alias}: {rule(problem['msg'])}, got {good.pop(field)!r}")
            return problems, wrong, cls.model_validate(good)

    @property
    def intents(self) -> StreamAddress:
        """The stream of intents, or its partitions."""
        return StreamAddress(self.intents_stream, partitions=self.intents_partitions)

    @property
    def intents_streams(self) -> Sequence[str]:
        """The names of the streams that intents come by: one, or one for each partition."""
        return [part.stream for part in self.intents.parts]

    @property
    def intents_addresses(self) -> Sequence[str]:
        """Where these streams are, by name and Redis: their marks and replays are known by that."""
        return [str(part) for part in self.intents_location.parts]

    @property
    def intents_location(self) -> StreamAddress:
        """Where intents come in: the stream or its partitions, and its Redis."""
        return replace(self.intents, server=self.intents_server)

    @property
    def intents_server(self) -> str:
        """Where the Redis of intents is, as addresses say it; blank: it is that of REDIS_URL."""
        return place_of(self.stream_servers, INTENTS)

    @property
    def placed(self) -> Mapping[str, str]:
        """Where the streams of intents and delivery events are, by name, if they have a Redis of their own."""
        of = dict.fromkeys(self.intents_streams, self.intents_server)
        of |= {self.events_stream: place_of(self.stream_servers, EVENTS)}
        return {stream: server for stream, server in of.items() if server}

    @property
    def backoff(self) -> Backoff:
        """The backoff of every channel without one of its own (R9)."""
        return Backoff(self.route_backoff_min, self.route_backoff_max, self.route_backoff_jitter)

    @property
    def probing(self) -> Probing | None:
        """When a channel that refuses everything is parked; None: refusals are counted strictly."""
        return Probing() if self.parking else None

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts of calls to servers, together shorter than a lease."""
        return Timeouts.within(self.route_lease_ttl)

    @property
    def handover(self) -> timedelta:
        """How long the lease of a handover lasts: where the message is lost, the next scan then finds the routes."""
        return min(self.scan_interval, self.route_lease_ttl)

    @property
    def effective_audit_window(self) -> timedelta:
        """How far back the loss audit looks (R12a): a route may be recorded up to a lease after its append,
        and its witness must not have expired by then."""
        return min(self.audit_window, self.dedup_window - self.route_lease_ttl)

    @property
    def warnings(self) -> Sequence[tuple[str, Mapping[str, object]]]:
        """The settings that are ignored or dangerous: the log line about each, and its fields."""
        found: list[tuple[str, Mapping[str, object]]] = [
            ("a setting has a new name", {"variable": old, "understood_as": new})
            for old, new in self.renamed_variables.items()
        ]
        if self.unknown_variables:
            meant = {"did_you_mean": dict(self.meant_variables)} if self.meant_variables else {}
            found.append(("unknown settings are ignored", {"variables": list(self.unknown_variables), **meant}))
        if self.redis_tls == "insecure":
            found.append(("PUBLISHER_REDIS_TLS=insecure: the certificate of Redis is not verified", {}))
        return found

    @property
    def keeping(self) -> Retention:
        """How long what is over and done is kept."""
        return Retention(
            records=kept_for(self.retention),
            keys=kept_for(self.key_retention),
            intents=kept_for(self.intents_retention),
            events=kept_for(self.events_retention),
        )


def _bad_files(values: Mapping[str, str]) -> Iterator[str]:
    path = values.get("redis_ca_file")
    if path and not Path(path).is_file():
        yield f"PUBLISHER_REDIS_CA_FILE: no such file: {path!r}"
