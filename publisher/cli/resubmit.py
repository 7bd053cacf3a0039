"""`publisher malformed resubmit`."""

from datetime import datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from publisher.cli.bulk import Came, RateOption, ResumeOption, Wording, carry_out, rest_of
from publisher.cli.completion import candidates
from publisher.cli.ids import number
from publisher.cli.instants import since as since_option
from publisher.cli.instants import until as until_option
from publisher.cli.operator import ByOption, operator
from publisher.cli.session import opened, streams
from publisher.cli.terminal.editor import edited
from publisher.cli.terminal.files import read_text
from publisher.cli.terminal.output import JsonFlag, YesFlag, confirm, print_json, printable, say
from publisher.cli.terminal.progress import progress
from publisher.domain.cancellation import Cancellation
from publisher.domain.delivery_event import DeliveryEvent
from publisher.domain.errors import BadRequest
from publisher.domain.intent import Intent
from publisher.domain.rejection import Rejection, RejectionCode
from publisher.operations.ids.resolution import NamedKind
from publisher.operations.malformed.edit import edit_form
from publisher.operations.malformed.records import MalformedFilter, MalformedRecord, find_malformed
from publisher.operations.malformed.remedies import in_a_file, remedy
from publisher.operations.malformed.resubmit import Resubmission, Sendable, resubmission
from publisher.operations.malformed.resubmit_many import (
    ManyResubmitted,
    Tally,
    count_bounded,
    plan_resubmission,
    plan_resubmission_rest,
    survey,
)
from publisher.settings.settings import Settings
from storage.database import Database

_MANY = Wording("publisher malformed resubmit", "resubmitted")

CodeOption = Annotated[
    RejectionCode | None,
    typer.Option("--code", metavar="CODE", help="Only those that failed for this, e.g. unknown_channel."),
]
StreamOption = Annotated[
    str | None,
    typer.Option("--stream", metavar="NAME", help="Only those of this stream."),
]
SinceOption = Annotated[datetime | None, since_option("recorded")]
UntilOption = Annotated[datetime | None, until_option("recorded")]


def resubmit(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="ID", autocompletion=candidates.ids, help="Its number, or its stream entry id."),
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE|-", help="The edited intent; - reads standard input.")
    ] = None,
    unchanged: Annotated[bool, typer.Option("--unchanged", help="As it was recorded: no edit.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Although it was resubmitted before.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every one that waits; with --unchanged.")] = False,
    code: CodeOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    stream: StreamOption = None,
    rate: RateOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and count.")] = False,
    resume: ResumeOption = None,
    by: ByOption = None,
    yes: YesFlag = False,
    json: JsonFlag = False,
) -> None:
    """Send an intent that was not accepted again, after an edit; or all that match, as they are.

    One opens in $VISUAL or $EDITOR, or comes edited from --file. An intent that is still not valid is refused with its
    reason and not sent; the edited file is kept. Sending twice is harmless: an intent is accepted once per producer
    and idempotency_key. Many need --unchanged: those that are valid by now are sent, the others left, with exit code 1.
    Ctrl-C ends that between two pages; --resume does the rest. A delivery event is sent again in the same way, to the
    stream that it came from.
    """
    matching = MalformedFilter(code and code.value, since, until, stream)
    many = all_ or matching != MalformedFilter()
    with opened() as (settings, database), streams(settings) as servers:
        resubmit = resubmission(settings, servers)
        work = resubmit(database)
        if resume is not None:
            _only_resume(id_, file, many=many, unchanged=unchanged, again=again, dry_run=dry_run)
            action = number(settings, database, resume, NamedKind.ACTION, f"{_MANY.command} --resume")
            planned = plan_resubmission_rest(database, resubmit, action, operator(by))
            _matching(settings, planned, rate=rate, yes=yes, json=json)
            return
        _refuse_contradictions(id_, file, many=many, unchanged=unchanged, again=again, dry_run=dry_run)
        if id_ is None and dry_run:
            _survey(work, database, matching, json=json)
            return
        if id_ is None:
            planned = plan_resubmission(database, resubmit, matching, operator(by))
            _matching(settings, planned, rate=rate, yes=yes, json=json)
            return
        if rate is not None:
            raise BadRequest("--rate is for many: leave it out")
        named = number(settings, database, id_, NamedKind.MALFORMED, "publisher malformed resubmit")
        record = find_malformed(database, named)
        if not again:
            _refuse_repeated(record)
        if unchanged:
            sendable = _valid(work.judge_unchanged(record), record)
            _send(work, sendable, "unchanged", by=operator(by), dry_run=dry_run, yes=yes, json=json)
        elif file is not None:
            sendable = _valid(work.judge_edited(record, read_text(file)), record)
            _send(work, sendable, "file", by=operator(by), dry_run=dry_run, yes=yes, json=json)
        else:
            write, send = in_a_file(record.facts.id)
            instead = f"or write a file with '{write}', correct it, and send it with '{send}'"
            with edited(form_of(record), name=f"malformed-{record.facts.id}", instead=instead) as text:
                sendable = _valid(work.judge_edited(record, text), record)
                _send(work, sendable, "editor", by=operator(by), dry_run=False, yes=yes, json=json)


def _refuse_contradictions(
    id_: str | None, file: str | None, *, many: bool, unchanged: bool, again: bool, dry_run: bool
) -> None:
    if id_ is None and not many:
        raise BadRequest("name an intent, or say which: --code, --since, --until, --stream, --all")
    if id_ is not None and many:
        raise BadRequest("name one intent or say which match, not both")
    if file is not None and (many or unchanged):
        raise BadRequest("--file is the edit of one intent: leave out --unchanged and the filters")
    if many and not unchanged:
        raise BadRequest("those that match are resubmitted as they are: add --unchanged")
    if many and again:
        raise BadRequest("--again is for one intent: name it")
    if dry_run and not (many or unchanged or file is not None):
        raise BadRequest("--dry-run opens no editor: it checks --file, --unchanged, or all that match")


def _only_resume(id_: str | None, file: str | None, *, many: bool, unchanged: bool, again: bool, dry_run: bool) -> None:
    if id_ is not None or file is not None or many or unchanged or again or dry_run:
        raise BadRequest("--resume takes its intents from the action: give no others")


def _refuse_repeated(record: MalformedRecord) -> None:
    facts = record.facts
    if facts.resubmitted_at is not None:
        raise BadRequest(
            f"malformed intent {facts.id} was resubmitted by {facts.resubmitted_by} as {facts.resubmitted_as}: --again"
            " sends it once more"
        )


def form_of(record: MalformedRecord) -> str:
    """Returns the intent as an operator edits it, below the reason why it was not accepted."""
    facts = record.facts
    return edit_form(
        record.raw_fields,
        f"malformed intent {facts.id}, entry {facts.stream_entry_id}: {facts.failure_code}",
        facts.failure_message,
        f"What to do: {remedy(facts.failure_code)}",
        "In an editor: save and leave to resubmit; leave without a change to send nothing. These lines are left out.",
    )


def _valid(verdict: Sendable | Rejection, record: MalformedRecord) -> Sendable:
    if isinstance(verdict, Rejection):
        raise BadRequest(
            f"malformed intent {record.facts.id} would not be accepted: {verdict.code.value}: {verdict.message}"
        )
    return verdict


def _send(
    work: Resubmission, sendable: Sendable, manner: str, *, by: str, dry_run: bool, yes: bool, json: bool
) -> None:
    facts, (name, made, ids) = sendable.record.facts, _described(sendable.content)
    outcome = {"id": facts.id, "stream_entry_id": facts.stream_entry_id} | ids
    if dry_run:
        _say(outcome | {"resubmitted_as": None}, f"malformed intent {facts.id} would be accepted", json=json)
        return
    confirm(f"Resubmit malformed intent {facts.id} as {name}?", yes)
    entry_id = work.send(sendable, by, manner)
    text = f"malformed intent {facts.id} resubmitted as {entry_id}, {made}"
    _say(outcome | {"resubmitted_as": entry_id}, text, json=json)


def _described(content: Intent | Cancellation | DeliveryEvent) -> tuple[str, str, dict[str, object]]:
    """Returns what is to be sent, what it makes, and the ids of that for --json."""
    if isinstance(content, DeliveryEvent):
        name = printable(f"delivery event {content.event} of {content.source}")
        return name, f"delivery {content.delivery_id}", {"delivery_id": content.delivery_id}
    key = f"of {content.producer}, key {content.idempotency_key}"
    if isinstance(content, Cancellation):
        name = printable(f"a cancellation {key}")
    else:
        name = f"{printable(f'{content.notification_type} {key}')}, for {len(content.recipients):,} recipients"
    return name, f"notification {content.notification_id}", {"notification_id": content.notification_id}


def _matching(settings: Settings, many: ManyResubmitted, *, rate: int | None, yes: bool, json: bool) -> None:
    change, tally = many.change, many.tally

    def came(_: object) -> Came:
        sent = tally.sent + (change.resumed.done if change.resumed else 0)
        return Came(
            {_MANY.done: sent, "left": dict(tally.left), "taken": tally.taken}, f"{sent:,} {_MANY.done}{_rest(tally)}"
        )

    question = f"Resubmit {rest_of(change)}{change.matched:,} malformed intents as they are?"
    carry_out(settings, change, _MANY, question, rate=rate, dry_run=False, yes=yes, json=json, then=came)
    if tally.left:
        raise typer.Exit(1)


def _survey(work: Resubmission, database: Database, matching: MalformedFilter, *, json: bool) -> None:
    count, bounded = count_bounded(database, matching)
    with progress(TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("checking", total=count)
        tally = survey(database, work, bounded, lambda judged: bar.advance(task, judged))
    outcome = {"matched": count, "valid": tally.sent, "left": dict(tally.left), "taken": 0}
    _say(outcome, f"{count:,} matched, {tally.sent:,} valid{_rest(tally)}", json=json)


def _rest(tally: Tally) -> str:
    taken = f"; {tally.taken:,} of them resubmitted or pruned by others meanwhile" if tally.taken else ""
    return taken + "".join(f"; {number:,} left: {code}" for code, number in tally.left.most_common())


def _say(outcome: dict[str, object], text: str, *, json: bool) -> None:
    if json:
        print_json(outcome)
    else:
        say(text)
