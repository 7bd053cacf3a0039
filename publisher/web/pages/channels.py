"""The page Channels: the state, the rate limit and the readers of each channel; pausing, resuming and limiting one."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest, PublisherError
from publisher.operations.channels import channels as operations
from publisher.operations.channels.channels import ChannelRecord
from publisher.operations.channels.limits import ChannelLimit, channel_limits, limit_channel, wanted_limit, with_use
from publisher.operations.channels.limits_wording import limit_line, said
from publisher.operations.channels.readers import command_readers
from publisher.operations.channels.readers_wording import partition_lines, reader_lines
from publisher.operations.names import installed_channel
from publisher.web.context import WebContext
from publisher.web.pages.page import context_of, form_of, rendered, see_other, status_of, visitor_of
from publisher.web.reading import NotRead

# What a form of this page changes: given the context, the channel, the form's fields and the operator. It returns
# whether the channel's gate was changed, or its limit: the page that follows says how that stands then.
_Change = Callable[[WebContext, str, Mapping[str, str], str], str]


async def channels(request: Request) -> Response:
    """Shows the channels. After a change, `gate` or `limit` in the query names the channel that was changed."""
    return await _page(request)


async def pause(request: Request) -> Response:
    """Pauses a channel, for the reason that is given."""
    return await _changed(request, _pause)


async def resume(request: Request) -> Response:
    """Opens a channel that is paused or parked, and wakes its workers."""
    return await _changed(request, _resume)


async def limit(request: Request) -> Response:
    """Sets the rate limit of a channel: `to` is `none`, `default`, or blank for the rate that is given."""
    return await _changed(request, _limit)


async def _changed(request: Request, change: _Change) -> Response:
    context, form, name = context_of(request), await form_of(request), request.path_params["channel"]
    try:
        installed_channel(context.settings, name)
        what = await context.changing.one(partial(change, context, name, form, visitor_of(request).name))
    except PublisherError as error:
        return await _page(request, {"error": str(error), "typed": {"channel": name, **form}}, status_of(error))
    # The name of an installed channel is a plain word.
    return see_other(f"/channels?{what}={name}")


def _pause(context: WebContext, channel: str, form: Mapping[str, str], by: str) -> str:
    reason = form.get("reason", "")
    if not reason:
        raise BadRequest(f"say why {channel} is to be paused: it is shown to whoever finds it paused")
    operations.pause(context.changed, channel, by, reason)
    return "gate"


def _resume(context: WebContext, channel: str, _: Mapping[str, str], by: str) -> str:
    operations.resume(context.changed, channel, by)
    context.wake(channel)
    return "gate"


def _limit(context: WebContext, channel: str, form: Mapping[str, str], by: str) -> str:
    to, burst = form.get("to", ""), form.get("burst", "")
    if burst and not (burst.isascii() and burst.isdecimal()):
        raise BadRequest(f"the burst {burst!r} must be a number, such as 28")
    wanted = (
        None if to in ("none", "default") else wanted_limit(form.get("rate", ""), int(burst[:9]) if burst else None)
    )
    limit_channel(context.changed, context.settings.channels[channel], wanted, by, default=to == "default")
    context.wake(channel)
    return "limit"


async def _page(request: Request, values: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    context = context_of(request)
    installed = context.settings.channels
    of_postgresql, of_redis = await asyncio.gather(
        context.reading.sections({"channels": partial(_read, context)}),
        context.reading_redis.sections({"readers": partial(command_readers, context.servers, installed)}),
    )
    found = of_postgresql | of_redis
    shown: dict[str, Any] = {"typed": {}, "done": "", "unread": None, "readers_unread": None, "readers": {}}
    if isinstance(found["readers"], NotRead):
        shown["readers_unread"] = found["readers"]
    else:
        shown["readers"] = {name: list(reader_lines(readers)) for name, readers in found["readers"].items()}
        shown["partitions"] = {name: list(partition_lines(readers)) for name, readers in found["readers"].items()}
    if isinstance(found["channels"], NotRead):
        shown |= {"records": [], "unread": found["channels"]}
    else:
        records, limits = found["channels"]
        shown |= {"records": records, "limits": limits, "done": _done(request, records, limits)}
    return rendered(
        request,
        "channels.html",
        "Channels",
        {**shown, "limit_line": limit_line, "said": said, **(values or {})},
        status,
    )


def _read(context: WebContext) -> tuple[list[ChannelRecord], dict[str, ChannelLimit]]:
    installed = context.settings.channels
    limits = with_use(context.shown, channel_limits(context.shown, installed))
    return operations.list_channels(context.shown, installed), limits


def _done(request: Request, records: list[ChannelRecord], limits: Mapping[str, ChannelLimit]) -> str:
    """Says how it stands with the channel that was changed: as it is now, whoever changed it since."""
    gate, limited = request.query_params.get("gate"), request.query_params.get("limit")
    for record in records:
        if record.name == gate:
            return f"{gate} is {record.gate.state.value}."
        if record.name == limited:
            return f"{said(limits.get(record.name, ChannelLimit(record.name)))}."
    return ""
