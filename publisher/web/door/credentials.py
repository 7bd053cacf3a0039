"""Reads the token of a request: as a bearer token, or as the password of HTTP Basic."""

import base64

from publisher.domain.door_token import is_token, token_hash
from publisher.web.door.problems import Problem
from storage.database import Database
from storage.tokens import TokenRecord, token_of_hash

_CHALLENGE = 'Bearer realm="notification-publisher", Basic realm="notification-publisher", charset="UTF-8"'


def token_of(authorization: str) -> str | None:
    """Returns the token that an Authorization header holds; None: it holds nothing that could be one.

    Providers that cannot set a bearer token can set a user and a password: the password is the token, the user any.
    """
    scheme, _, given = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            token = given.strip()
        case "basic":
            token = _password(given.strip())
        case _:
            return None
    return token if is_token(token) else None


def sender_of(database: Database, authorization: str) -> TokenRecord:
    """Returns whose token came with the request.

    Raises Problem 401 where it is none, unknown or revoked, and DatabaseUnavailable.
    """
    token = token_of(authorization)
    record = None if token is None else _known(database, token)
    if record is None:
        detail = "send a token that was not revoked: Authorization: Bearer npt_…, or as the password of Basic"
        raise Problem(401, detail, "unauthorized", headers={"www-authenticate": _CHALLENGE})
    return record


def _known(database: Database, token: str) -> TokenRecord | None:
    # What an index finds by a hash tells nothing of the token by the time that it takes.
    return token_of_hash(database, token_hash(token))


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        # It is no base64, not even ASCII, or no UTF-8 within.
        return ""
