"""The settings of each registered channel, read from PUBLISHER_<CHANNEL>_… (R24)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from publisher.domain.channel import PARTITIONS, Channel, StreamTrim
from publisher.domain.errors import SettingsError
from publisher.settings.types import LowerCase, Name, Rate, SecondsOrZero, rule, without_blanks

# Names of earlier releases, by the field that they are understood as. Where both are set the new name wins.
_OLD_NAMES = {"stream_ceiling": "stream_max_len"}


class ChannelSettings(BaseModel):
    """PUBLISHER_<CHANNEL>_STREAM, _PARTITIONS, _MAX_ATTEMPTS, _STREAM_…, _RATE and _ANSWER_WITHIN."""

    model_config = ConfigDict(extra="forbid")

    stream: Name
    partitions: Annotated[int, Field(ge=1, le=PARTITIONS)]
    max_attempts: Annotated[int, Field(ge=1)]
    stream_ceiling: Annotated[int, Field(ge=0)]
    stream_retention: SecondsOrZero
    stream_trim: Annotated[StreamTrim, LowerCase]
    rate: Rate
    answer_within: SecondsOrZero

    @classmethod
    def variables(cls, channel: Channel) -> dict[str, str]:
        """Variable -> field, in the order in which they are read: a later one wins."""
        old = {channel.variable(name): field for field, name in _OLD_NAMES.items()}
        return old | {channel.variable(field): field for field in cls.model_fields}

    @classmethod
    def renamed(cls, channel: Channel, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables of this environment that have an old name -> their name now."""
        names = {channel.variable(old): channel.variable(field) for field, old in _OLD_NAMES.items()}
        return {old: new for old, new in names.items() if old in environ}

    @classmethod
    def adjust(cls, channel: Channel, environ: Mapping[str, str]) -> Channel:
        """The channel with what the environment says of it. Raises SettingsError with every problem."""
        variables = cls.variables(channel)
        values: dict[str, object] = {field: getattr(channel, field) for field in cls.model_fields}
        # Durations are read from their numbers of seconds.
        values |= {field: getattr(channel, field).total_seconds() for field in ("stream_retention", "answer_within")}
        said = without_blanks(environ)
        named = {field: variable for variable, field in variables.items() if variable in said}
        values |= {field: said[variable] for field, variable in named.items()}
        try:
            return replace(channel, **dict(cls.model_validate(values)))
        except ValidationError as error:
            names = {field: variable for variable, field in variables.items()} | named
            lines = [
                f"{names[str(p['loc'][0])]}: {rule(p['msg'])}, got {values[str(p['loc'][0])]!r}"
                for p in error.errors(include_url=False)
            ]
            raise SettingsError("; ".join(lines)) from None


def shared_variables(channels: Mapping[str, Channel], known: Collection[str]) -> Iterator[str]:
    """Channels whose variables mean something else already: `intents`, say, or `a-b` beside `a_b`."""
    taken = dict.fromkeys(known, "the service itself")
    for channel in channels.values():
        for variable in ChannelSettings.variables(channel):
            if variable in taken:
                yield f"channel {channel.name!r} cannot have the variable {variable}: {taken[variable]} has it"
            taken[variable] = f"channel {channel.name!r}"
