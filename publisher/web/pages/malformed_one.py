"""The page of one malformed intent: its fields, its reason and its remedy; editing it, and sending it again."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from publisher.domain.errors import BadRequest, PublisherError
from publisher.domain.rejection import Rejection
from publisher.operations.addresses import record_malformed_showing
from publisher.operations.ids.resolution import IntentsStream
from publisher.operations.malformed.edit import edit_form
from publisher.operations.malformed.fields import readable_fields
from publisher.operations.malformed.records import MalformedFacts, MalformedRecord, find_malformed
from publisher.operations.malformed.remedies import remedy, remedy_commands
from publisher.operations.malformed.resubmit import Resubmission, resubmission
from publisher.operations.remedy.wording import worded
from publisher.operations.trace.entry_lookup import entry_outcome
from publisher.operations.trace.entry_outcome import EntryOutcome
from publisher.web.context import WebContext
from publisher.web.pages.page import context_of, form_of, rendered, see_other, status_of, visitor_of
from publisher.web.reading import NotRead
from storage.database import Database

# Of a value the page shows so many characters, and folds it if it has more than fit into two lines.
_CHARACTERS = 20_000
_FOLDED = 160


async def malformed_intent(request: Request) -> Response:
    """Shows a malformed intent, and what became of it if it was sent again. Answers 404 for none."""
    return await _page(request)


async def edit(request: Request) -> Response:
    """Shows the form to correct, with its addresses in clear text: who sees them is on record before (R34, R36)."""
    context, id_, by = context_of(request), _id(request), visitor_of(request).name
    record = await context.changing.one(partial(_opened, context, id_, by))
    return _form(request, id_, edit_form(record.raw_fields), record.facts.resubmitted_as or "", record.facts)


async def resubmit_one(request: Request) -> Response:
    """Sends the intent again, as the form says, or unchanged where there is no form. It is validated before."""
    context, id_, form = context_of(request), _id(request), await form_of(request)
    try:
        await context.changing.one(partial(_send, context, id_, form, visitor_of(request).name))
    except PublisherError as error:
        if "text" not in form:
            return await _page(request, {"error": str(error)}, status_of(error))
        # The form needs no server: what was typed comes back, whatever failed.
        return _form(request, id_, form["text"], form.get("seen", ""), wrong=str(error), status=status_of(error))
    return see_other(f"/waiting/malformed/{id_}")


def _id(request: Request) -> int:
    id_: int = request.path_params["id"]
    return id_


def _opened(context: WebContext, id_: int, by: str) -> MalformedRecord:
    record = find_malformed(context.changed, id_)
    record_malformed_showing(context.changed, id_, by)
    return record


def _send(context: WebContext, id_: int, form: Mapping[str, str], by: str) -> None:
    record, work = find_malformed(context.changed, id_), _work(context, context.changed)
    facts = record.facts
    if (facts.resubmitted_as or "") != form.get("seen", ""):
        raise BadRequest(
            f"{facts.resubmitted_by} resubmitted it meanwhile, as {facts.resubmitted_as}: see what became of that first"
        )
    text = form.get("text")
    verdict = work.judge_unchanged(record) if text is None else work.judge_edited(record, text)
    if isinstance(verdict, Rejection):
        raise BadRequest(f"it would not be accepted: {verdict.code.value}: {verdict.message}")
    work.send(verdict, by, "unchanged" if text is None else "page")


def _work(context: WebContext, database: Database) -> Resubmission:
    return resubmission(context.settings, context.servers)(database)


async def _page(request: Request, values: Mapping[str, Any] | None = None, status: int = 200) -> Response:
    context, id_ = context_of(request), _id(request)
    record = await context.reading.one(partial(find_malformed, context.shown, id_))
    facts = record.facts
    sections: dict[str, Callable[[], Any]] = {"verdict": partial(_work(context, context.shown).judge_unchanged, record)}
    if facts.resubmitted_as is not None and facts.stream in context.settings.intents_streams:
        sections["outcome"] = partial(_outcome, context, facts.resubmitted_as)
    found: dict[str, Any] = {"outcome": None, **await context.reading.sections(sections)}
    outcome = found["outcome"]
    shown = {
        "facts": facts,
        "fields": list(readable_fields(record.raw_fields, _CHARACTERS)),
        "folded": _FOLDED,
        "remedy": remedy(facts.failure_code),
        "commands": {} if facts.resubmitted_at else remedy_commands(facts.failure_code, facts.id),
        "refusal": found["verdict"] if isinstance(found["verdict"], Rejection) else None,
        "unread": [each for each in found.values() if isinstance(each, NotRead)],
        "became": [worded(each) for each in outcome.sentences] if isinstance(outcome, EntryOutcome) else [],
        "leads_to": (outcome.notification_id if isinstance(outcome, EntryOutcome) else None) or facts.resubmitted_as,
    }
    return rendered(request, "malformed_one.html", "Waiting for you", {**shown, **(values or {})}, status)


def _outcome(context: WebContext, entry_id: str) -> EntryOutcome | None:
    intents = IntentsStream.of(context.settings, lambda: context.servers)
    outcome, unread = entry_outcome(context.shown, intents, entry_id)
    if outcome is None and unread is not None:
        raise unread
    return outcome


def _form(
    request: Request,
    id_: int,
    text: str,
    seen: str,
    facts: MalformedFacts | None = None,
    *,
    wrong: str = "",
    status: int = 200,
) -> Response:
    """Returns the form to correct. seen: as what the intent was last resubmitted when its form was opened.

    facts: says why it was not accepted; None: `wrong` says what is wrong with what was typed.
    """
    why = None if facts is None else (facts, remedy(facts.failure_code))
    values = {"id": id_, "text": text, "seen": seen, "why": why, "wrong": wrong}
    return rendered(request, "malformed_edit.html", "Waiting for you", values, status)
