"""`publisher channels list`, `pause`, `resume` and `limit`."""

from typing import Annotated

import typer

from publisher.cli.channel_limit import limit
from publisher.cli.completion import candidates
from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened, reading, streams
from publisher.cli.terminal.help import CommandApp
from publisher.cli.terminal.output import JsonFlag, YesFlag, confirm, one_line, print_json, print_table
from publisher.cli.views.limits import print_limits
from publisher.cli.views.readers import print_consumers, print_partitions, print_readers, say_unread
from publisher.cli.waking import waker
from publisher.domain.circuit import Gate, GateState
from publisher.domain.errors import BadRequest, PublisherError
from publisher.operations.channels import channels
from publisher.operations.channels.channels import ChannelRecord
from publisher.operations.channels.limits import ChannelLimit, channel_limits, limit_fields, with_use
from publisher.operations.channels.reader_fields import reader_fields
from publisher.operations.channels.readers import CommandReaders, command_readers
from publisher.operations.names import installed_channel

app = CommandApp(
    "List channels; pause or slow one, or resume it.",
    example="publisher channels list\npublisher channels limit email 14/s\npublisher channels resume email",
)
app.command(
    "limit",
    example="publisher channels limit email 14/s --burst 28\npublisher channels limit email 600/m\n"
    "publisher channels limit email 14/s --dry-run\n"
    "publisher channels limit email --none\npublisher channels limit email --default",
)(limit)
ChannelArgument = Annotated[
    str, typer.Argument(metavar="CHANNEL", help="The channel's name.", autocompletion=candidates.channels)
]


@app.command("list", example="publisher channels list")
def list_(json: JsonFlag = False) -> None:
    """List the channels: where each publishes, its state and its rate limit, and who reads its commands.

    Where a channel has partitions, who reads each of them is shown too. 'redis' is the Redis of the stream.
    'used' is the share of its rate that a channel published within the last ten seconds.
    While Redis is away the readers are null in --json, and a line on standard error says why.
    """
    with reading() as (settings, database), streams(settings) as servers:
        records = channels.list_channels(database, settings.channels)
        limits = with_use(database, channel_limits(database, settings.channels))
        try:
            found = command_readers(servers, settings.channels)
        except PublisherError as error:
            found = {}
            say_unread(error)
    if json:
        for record in records:
            print_json(_fields(record, limits.get(record.name), found.get(record.name)))
        return
    # Where all are on the Redis of REDIS_URL, a column would say nothing.
    has_own = any(record.redis for record in records)
    print_table(
        "Channels",
        ["channel", "stream", *["redis"] * has_own, "state", "since", "by", "reason", "next probe"],
        [
            [
                r.name,
                r.stream,
                *[r.redis or "REDIS_URL"] * has_own,
                r.gate.state,
                r.gate.paused_at or r.gate.parked_at,
                r.gate.paused_by,
                r.gate.pause_reason or r.gate.park_reason,
                r.gate.probe_at,
            ]
            for r in records
        ],
        wrapping="reason",
    )
    print_limits(limits.values())
    if found:
        print()
        print_readers(found.values())
        print_partitions(found.values())
        print_consumers(found.values())


@app.command("pause", example="publisher channels pause email --reason 'mail server moves'")
def pause(
    channel: ChannelArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; shown to whoever finds it paused.")],
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Publish nothing on a channel until it is resumed. Holds at once, in every process; no attempt is counted.

    Intents are accepted all the same, and their routes wait. A batch that is in flight at this moment is finished.
    """
    who = operator(by)
    with opened() as (settings, database):
        installed_channel(settings, channel)
        if not reason.strip():
            raise BadRequest("--reason must not be blank: it is shown to whoever finds the channel paused")
        gate = channels.read_gate(database, channel)
        if gate.state is GateState.PAUSED:
            _print(gate, json, f" already, by {gate.paused_by}: {gate.pause_reason}")
            return
        confirm(f"Pause {channel}: publish nothing on it until it is resumed?", yes)
        _print(channels.pause(database, channel, who, reason.strip()), json)


@app.command("resume", example="publisher channels resume email")
def resume(channel: ChannelArgument, by: ByOption = None, yes: YesFlag = False, json: JsonFlag = False) -> None:
    """Let a paused channel go on, or a parked one without waiting for its next probe. Its due routes follow at once."""
    who = operator(by)
    with opened() as (settings, database):
        installed_channel(settings, channel)
        gate = channels.read_gate(database, channel)
        if gate.state is GateState.OPEN:
            _print(gate, json, " already")
            return
        confirm(f"Resume {channel}, which is {gate.state.value}?", yes)
        _print(channels.resume(database, channel, who), json)
    # Imported by those who wake workers: the list of channels needs no actors.
    from publisher.bootstrap import install_context

    waker(install_context(settings, "resume"))(channel)


def _print(gate: Gate, json: bool, more: str = "") -> None:
    if json:
        print_json({"channel": gate.channel, "state": gate.state})
    else:
        print(one_line(f"{gate.channel} is {gate.state.value}{more}"))


def _fields(record: ChannelRecord, limit: ChannelLimit | None, readers: CommandReaders | None) -> dict[str, object]:
    gate = record.gate
    return {
        "channel": record.name,
        "stream": record.stream,
        "redis": record.redis or None,
        "state": gate.state,
        "paused_at": gate.paused_at,
        "paused_by": gate.paused_by,
        "pause_reason": gate.pause_reason,
        "parked_at": gate.parked_at,
        "park_reason": gate.park_reason,
        "refused_batches": gate.refused_batches,
        "probe_at": gate.probe_at,
        "probes": gate.probes,
        "limit": limit_fields(limit),
        "readers": readers and reader_fields(readers),
    }
