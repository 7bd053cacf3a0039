"""Explains how a route ended, and what an operator can still do about it (R3)."""

from publisher.domain.attempt import LEASE_EXPIRED
from publisher.operations.explanation import Explanation, RouteState, ago, failure, replays, times
from publisher.operations.remedy import Advice, Remedy, Sentence
from storage.routes import RouteRecord


def explain_published(route: RouteRecord, stream: str | None) -> Explanation:
    """Names the stream entry. stream: where the channel publishes now; None if it is not installed."""
    where = route.stream or stream or f"the stream of {route.channel}, which is not installed here"
    entry = f"stream entry {route.stream_entry_id}" if route.stream_entry_id else "a stream entry that was not recorded"
    failed = f", after {times(route.attempt_count, 'failed attempt')}" if route.attempt_count else ""
    why = [f"Published {ago(route, route.published_at)} as {entry} of {where}{failed}.", *replays(route)]
    again: Sentence
    if _is_past_deadline(route):
        again = f"Its deadline was {ago(route, route.expires_at)}: it is not published again."
    else:
        again = Advice("To have it published again", Remedy.REPUBLISH, route.delivery_id)
    return Explanation(RouteState.PUBLISHED, tuple(why), ("Nothing: the rest is its consumers' matter.", again))


def explain_dead_letter(route: RouteRecord) -> Explanation:
    """Names the reason, and the requeue unless the deadline has passed."""
    made = f"{route.attempt_count} of {times(route.max_attempts, 'attempt')} made"
    if route.last_failure_classification == LEASE_EXPIRED:
        made += "; the workers that leased it ended without telling"
    why = f"Dead-lettered {ago(route, route.dead_lettered_at)} because {failure(route)} ({made})."
    upcoming: Sentence
    if _is_past_deadline(route):
        late = ago(route, route.expires_at)
        upcoming = f"Nothing: its deadline was {late}, so it is not taken back and never sent late."
    else:
        back = "Nothing by itself. Once the reason is gone, take it back"
        upcoming = Advice(back, Remedy.REQUEUE, route.delivery_id)
    return Explanation(RouteState.DEAD_LETTER, (why, *replays(route)), (upcoming,))


def explain_skipped(route: RouteRecord) -> Explanation:
    """Names the recipient that has no address."""
    why = f"Skipped when it was accepted, {ago(route, route.created_at)}"
    return Explanation(
        RouteState.SKIPPED,
        (f"{why}: the recipient {route.recipient_ref} has no address for {route.channel}.",),
        ("Nothing. An intent that has the address, under another idempotency key, makes a new notification.",),
    )


def explain_expired(route: RouteRecord) -> Explanation:
    """Names the deadline and the last failure before it."""
    why = [f"Expired: its deadline was {ago(route, route.expires_at)}, and it was not published by then."]
    if route.last_failure_at is not None:
        why.append(f"Its last failed attempt, {ago(route, route.last_failure_at)}: {failure(route)}.")
    return Explanation(RouteState.EXPIRED, (*why, *replays(route)), ("Nothing: it is never sent late.",))


def _is_past_deadline(route: RouteRecord) -> bool:
    return route.expires_at is not None and route.expires_at <= route.read_at
