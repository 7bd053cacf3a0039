"""`publisher channels list`, `pause` and `resume`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from publisher.bootstrap import install_context
from publisher.cli.operator import ByOption, operator
from publisher.cli.output import JsonFlag, YesFlag, confirm, print_json, print_table
from publisher.cli.session import opened
from publisher.domain.circuit import Gate
from publisher.domain.errors import BadRequest
from publisher.operations.names import installed_channel
from publisher.settings.settings import Settings
from storage import gates
from storage.actions import ActionOutcome, advance_action, begin_action, end_action
from storage.database import Database

app = typer.Typer(help="Look at channels; pause one, and let it go on.", no_args_is_help=True)
ChannelArgument = Annotated[str, typer.Argument(help="The channel's name.")]


@app.command("list")
def list_(json: JsonFlag = False) -> None:
    """List the channels: where each publishes, and whether it is open, paused or parked."""
    with opened() as (settings, database):
        known = gates.read_gates(database)
    names = sorted(settings.channels.keys() | known.keys())
    if json:
        for name in names:
            print_json(_fields(settings, known.get(name, Gate(name))))
        return
    print_table(
        "Channels",
        ["channel", "stream", "state", "since", "by", "reason", "next probe"],
        [
            [
                name,
                settings.channels[name].stream if name in settings.channels else None,
                gate.state,
                gate.paused_at or gate.parked_at,
                gate.paused_by,
                gate.pause_reason or gate.park_reason,
                gate.probe_at,
            ]
            for name, gate in ((name, known.get(name, Gate(name))) for name in names)
        ],
        folding="reason",
    )


@app.command("pause", epilog="Example: publisher channels pause email --reason 'mail server moves'")
def pause(
    channel: ChannelArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown to whoever finds it paused.")],
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
        confirm(f"Pause {channel}: publish nothing on it until it is resumed?", yes)
        with _audited(database, "pause-channel", who, {"channel": channel, "reason": reason.strip()}):
            if not gates.pause(database, channel, who, reason.strip()):
                gate = gates.read_gates(database)[channel]
                raise BadRequest(f"{channel} is paused already, by {gate.paused_by}: {gate.pause_reason}")
        _report(database, channel, json)


@app.command("resume", epilog="Example: publisher channels resume email")
def resume(channel: ChannelArgument, by: ByOption = None, yes: YesFlag = False, json: JsonFlag = False) -> None:
    """Let a paused channel go on, or a parked one without waiting for its next probe. Its due routes follow at once."""
    who = operator(by)
    with opened() as (settings, database):
        installed_channel(settings, channel)
        gate = gates.read_gates(database).get(channel, Gate(channel))
        confirm(f"Resume {channel}, which is {gate.state.value}?", yes)
        with _audited(database, "resume-channel", who, {"channel": channel, "was": gate.state.value}):
            if not gates.resume(database, channel):
                raise BadRequest(f"{channel} is open: there is nothing to resume")
        _report(database, channel, json)
    install_context(settings, "resume")
    from actors.routes import as_hint, send_scan

    as_hint(send_scan, channel)


@contextmanager
def _audited(database: Database, action: str, by: str, target: dict[str, object]) -> Iterator[None]:
    # Begun before and ended after: a crash in between leaves an action that says 'running', never a change without one.
    action_id = begin_action(database, action, by, target, matched=1)
    outcome = ActionOutcome.FAILED
    try:
        yield
        advance_action(database, action_id, 1)
        outcome = ActionOutcome.DONE
    finally:
        end_action(database, action_id, outcome)


def _report(database: Database, channel: str, json: bool) -> None:
    gate = gates.read_gates(database)[channel]
    if json:
        print_json({"channel": channel, "state": gate.state})
    else:
        print(f"{channel} is {gate.state.value}")


def _fields(settings: Settings, gate: Gate) -> dict[str, object]:
    channel = settings.channels.get(gate.channel)
    return {
        "channel": gate.channel,
        "stream": channel and channel.stream,
        "state": gate.state,
        "paused_at": gate.paused_at,
        "paused_by": gate.paused_by,
        "pause_reason": gate.pause_reason,
        "parked_at": gate.parked_at,
        "park_reason": gate.park_reason,
        "refused_batches": gate.refused_batches,
        "probe_at": gate.probe_at,
        "probes": gate.probes,
    }
