"""Explains how a route ended, and what an operator can still do about it (R3)."""

from publisher.domain.attempt import LEASE_EXPIRED
from publisher.domain.mail_outcome import MailState
from publisher.operations.explain.answers import explain_answer, explain_mail
from publisher.operations.explain.explanation import Explanation, RouteState, ago, failure, replays, times
from publisher.operations.explain.failure_cause import another_intent, cause_of
from publisher.operations.remedy.remedy import Advice, Remedy, Sentence
from storage.dead_letters import DeadLetterRecord
from storage.mail.progress import MailProgress
from storage.routes import RouteRecord

_DISCARD = "To take it off the list of dead letters that wait"
_LATER_DEADLINE = "An intent with a later deadline, or none, under another idempotency key makes a new notification."


def explain_published(route: RouteRecord, stream: str | None, mail: MailProgress | None = None) -> Explanation:
    """Names the stream entry, the answer, and what the mail service does with the command.

    stream: where the channel publishes now; None if it is not installed.
    mail: how far our mail service has come; None: it has not taken the command up.
    """
    where = route.stream or stream or f"the stream of {route.channel}, which is not installed here"
    entry = f"stream entry {route.stream_entry_id}" if route.stream_entry_id else "a stream entry that was not recorded"
    failed = f", after {times(route.attempt_count, 'failed attempt')}" if route.attempt_count else ""
    why = [f"Published {ago(route, route.published_at)} as {entry} of {where}{failed}.", *replays(route)]
    if route.cancel_requested_at is not None:
        asked = ago(route, route.cancel_requested_at)
        why.append(f"{route.cancelled_by} asked to cancel it {asked}: too late, its command stood already.")
    why += explain_answer(route)
    upcoming = tuple(explain_mail(route, mail)) or ("Nothing: the rest is its consumers' matter.",)
    again: tuple[Sentence, ...] = ()
    if _is_past_deadline(route):
        again = (f"Its deadline was {ago(route, route.expires_at)}: it is not published again.",)
    elif mail is None or mail.state is MailState.GIVEN_UP:
        # Of any other message of our mail service a new command changes nothing.
        again = (Advice("To have it published again", Remedy.REPUBLISH, route.delivery_id),)
    return Explanation(
        RouteState.PUBLISHED, tuple(why), (*upcoming, *again), None if mail is None else mail.next_attempt_at
    )


def explain_dead_letter(route: RouteRecord, stream: str | None, letter: DeadLetterRecord | None) -> Explanation:
    """Names the reason, and the remedy that helps: the requeue is none for what is stored with the route.

    stream: where the channel publishes now; None if it is not installed.
    letter: the dead letter itself; None if it was not read.
    """
    made = f"{route.attempt_count} of {times(route.max_attempts, 'attempt')} made"
    if route.last_failure_classification == LEASE_EXPIRED:
        made += "; the workers that leased it ended without telling"
    why = f"Dead-lettered {ago(route, route.dead_lettered_at)} because {failure(route)} ({made})."
    upcoming: list[Sentence]
    if letter is not None and letter.discarded_at is not None:
        upcoming = [f"Nothing: {letter.discarded_by} discarded it {ago(route, letter.discarded_at)}."]
    else:
        upcoming = _after_dead_letter(route, stream)
    return Explanation(RouteState.DEAD_LETTER, (why, *replays(route)), tuple(upcoming))


def _after_dead_letter(route: RouteRecord, stream: str | None) -> list[Sentence]:
    if _is_past_deadline(route):
        late = ago(route, route.expires_at)
        return [
            f"Nothing: its deadline was {late}, so it is not taken back and never sent late.",
            _LATER_DEADLINE,
            Advice(_DISCARD, Remedy.DISCARD, route.delivery_id),
        ]
    cause = cause_of(route.last_failure_classification, route.last_failure_message, route.channel, stream)
    if cause.can_pass:
        return [Advice(f"Nothing by itself. Once {cause.until}, take it back", Remedy.REQUEUE, route.delivery_id)]
    return [
        f"Nothing. A requeue does not help: {cause.reason}.",
        another_intent(cause),
        Advice(_DISCARD, Remedy.DISCARD, route.delivery_id),
    ]


def explain_skipped(route: RouteRecord) -> Explanation:
    """Names the recipient that has no address."""
    why = f"Skipped when it was accepted, {ago(route, route.created_at)}"
    return Explanation(
        RouteState.SKIPPED,
        (f"{why}: the recipient {route.recipient_ref} has no address for {route.channel}.",),
        ("Nothing. An intent that has the address, under another idempotency key, makes a new notification.",),
    )


def explain_expired(route: RouteRecord, mail: MailProgress | None = None) -> Explanation:
    """Names the deadline, the last failure before it, and what an earlier command does still.

    mail: how far our mail service has come; None: it has not taken a command of this route up.
    """
    why = [f"Expired: its deadline was {ago(route, route.expires_at)}, and it was not published by then."]
    if route.last_failure_at is not None:
        why.append(f"Its last failed attempt, {ago(route, route.last_failure_at)}: {failure(route)}.")
    upcoming = _earlier_command(route, mail) or ("Nothing: it is never sent late.", _LATER_DEADLINE)
    return Explanation(
        RouteState.EXPIRED, (*why, *replays(route)), upcoming, None if mail is None else mail.next_attempt_at
    )


def explain_cancelled(route: RouteRecord, mail: MailProgress | None = None) -> Explanation:
    """Names who cancelled it, the last failure before it, and what an earlier command does still.

    mail: how far our mail service has come; None: it has not taken a command of this route up.
    """
    earlier = _earlier_command(route, mail)
    made = "no attempt was made" if route.stream is None else "no command of it was written"
    if earlier:
        made = "it was not published again"
    why = [f"Cancelled by {route.cancelled_by} {ago(route, route.cancel_requested_at)}: {made}."]
    if route.last_failure_at is not None:
        why = [
            f"Cancelled by {route.cancelled_by} {ago(route, route.cancel_requested_at)}.",
            f"Its last failed attempt, {ago(route, route.last_failure_at)}: {failure(route)}.",
        ]
    return Explanation(
        RouteState.CANCELLED,
        (*why, *replays(route)),
        earlier or ("Nothing: it is never sent. An intent under another idempotency key makes a new notification.",),
        None if mail is None else mail.next_attempt_at,
    )


def _earlier_command(route: RouteRecord, mail: MailProgress | None) -> tuple[Sentence, ...]:
    """Says what becomes of a command from before the route was opened again; nothing if it is known of none."""
    if mail is not None and mail.state is not MailState.GIVEN_UP:
        stopped = Advice("To keep it from being sent, suppress its address", Remedy.SUPPRESS)
        return (
            "No command follows. An earlier one was published, and is not taken back.",
            *explain_mail(route, mail),
            *([stopped] if mail.state is MailState.WAITING else []),
        )
    if route.replay:
        return ("No command follows. An earlier one was published: the rest of that is its consumers' matter.",)
    return ()


def _is_past_deadline(route: RouteRecord) -> bool:
    return route.expires_at is not None and route.expires_at <= route.read_at
