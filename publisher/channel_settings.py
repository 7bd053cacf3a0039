"""The settings of each channel: PUBLISHER_<CHANNEL>_…, whatever channels there are (R24)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from publisher.domain.channel import Channel
from publisher.domain.errors import SettingsError
from publisher.setting_types import PREFIX, Name, rule, without_blanks


class ChannelSettings(BaseModel):
    """PUBLISHER_<CHANNEL>_STREAM, _MAX_ATTEMPTS and _STREAM_MAX_LEN, for any channel."""

    model_config = ConfigDict(extra="forbid")

    stream: Name
    max_attempts: Annotated[int, Field(ge=1)]
    stream_max_len: Annotated[int, Field(ge=0)]

    @classmethod
    def variables(cls, channel: Channel) -> dict[str, str]:
        """Variable -> field."""
        base = PREFIX + channel.name.upper().replace("-", "_") + "_"
        return {base + field.upper(): field for field in cls.model_fields}

    @classmethod
    def adjust(cls, channel: Channel, environ: Mapping[str, str]) -> Channel:
        """The channel with what the environment says of it. Raises SettingsError with every problem."""
        variables = cls.variables(channel)
        values: dict[str, object] = {field: getattr(channel, field) for field in cls.model_fields}
        said = without_blanks(environ)
        values |= {field: said[variable] for variable, field in variables.items() if variable in said}
        try:
            return replace(channel, **cls.model_validate(values).model_dump())
        except ValidationError as error:
            names = {field: variable for variable, field in variables.items()}
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
