"""Tokens of the HTTP door as an operator makes and revokes them. Each change is an action (R34)."""

import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass, field

from publisher.domain.delivery_event import OUR_SOURCES
from publisher.domain.door_token import RANDOM_BYTES, Sends, token_hash, written_token
from publisher.domain.errors import BadRequest, NotFound
from publisher.operations.changes.audited import audited
from storage import tokens as store
from storage.actions import advance_action
from storage.database import Database
from storage.tokens import TokenRecord, list_tokens

__all__ = ["NewToken", "Sends", "TokenRecord", "add", "find", "list_tokens", "revoke", "token_fields"]


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was made. token: its text, which nobody can see again."""

    record: TokenRecord
    token: str = field(repr=False)


def add(database: Database, producer: str, purpose: str, sends: Collection[Sends], by: str) -> NewToken:
    """Makes a token. Its text is returned, and kept nowhere.

    Raises BadRequest for a name that no producer can have, for a blank purpose, and for a token for delivery events
    under a source that is kept for this service.
    """
    producer, purpose = _checked_producer(producer, sends), purpose.strip()
    if not purpose:
        raise BadRequest("--purpose must not be blank: it tells which token to revoke")
    token = written_token(secrets.token_bytes(RANDOM_BYTES))
    target = {"producer": producer, "purpose": purpose, "sends": ", ".join(sorted(sends))}
    with audited(database, "add-token", by, target) as action:
        record = store.add_token(database, producer, purpose, sends, token_hash(token), by)
        advance_action(database, action.id, 1)
    return NewToken(record, token)


def find(database: Database, token_id: int) -> TokenRecord:
    """Returns the token. Raises NotFound."""
    found = store.find_token(database, token_id)
    if found is None:
        raise NotFound(f"there is no token {token_id}: 'publisher tokens list --all' shows those there are")
    return found


def revoke(database: Database, token_id: int, by: str) -> TokenRecord:
    """Revokes the token: the next request with it is refused, in every process. Raises NotFound, or BadRequest."""
    found = find(database, token_id)
    if found.revoked_at is None:
        target: dict[str, object] = {"producer": found.producer, "purpose": found.purpose, "token": token_id}
        with audited(database, "revoke-token", by, target) as action:
            revoked = store.revoke_token(database, token_id, by)
            advance_action(database, action.id, 0 if revoked is None else 1)
        if revoked is not None:
            return revoked
        found = find(database, token_id)
    raise BadRequest(f"token {token_id} was revoked before, by {found.revoked_by}")


def token_fields(record: TokenRecord) -> dict[str, object]:
    """The fields of a token, by the names that --json prints."""
    return asdict(record) | {"sends": [each.value for each in record.sends]}


def _checked_producer(producer: str, sends: Collection[Sends]) -> str:
    # With pydantic, which a list of tokens does not need.
    from pydantic import TypeAdapter, ValidationError

    from publisher.domain.intent_fields import Producer

    try:
        checked = TypeAdapter(Producer).validate_python(producer)
    except ValidationError as error:
        raise BadRequest(
            "PRODUCER must be a name that its intents have: at most 64 characters, no control characters, not blank"
        ) from error
    if Sends.EVENTS in sends and checked in OUR_SOURCES:
        raise BadRequest(f"delivery events of the source {checked!r} are this service's own: choose another name")
    return str(checked)
