"""Reads the body of a request: of a known type, within its size and its time."""

import asyncio
from collections.abc import Collection

from starlette.requests import Request

from publisher.domain.json_text import Member, NoObject, TooMany, elements, members
from publisher.web.door.problems import Problem

JSON = frozenset({"application/json"})
# Amazon SNS sends JSON under the name of plain text.
JSON_OR_TEXT = JSON | {"text/plain"}
MOST_BYTES = 8 * 1024 * 1024
MOST_ITEMS = 1_000
# Several times as many as an intent or an event has fields.
_MOST_MEMBERS = 100
_SECONDS = 20.0


async def read_body(request: Request, media_types: Collection[str]) -> bytes:
    """Returns the body. Raises Problem before the whole is read, if it is too long, too slow, or of another type."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in media_types:
        raise Problem(415, f"the Content-Type must be {' or '.join(sorted(media_types))}", "unsupported_media_type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "the body must not be compressed", "unsupported_encoding")
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise _too_long()
    found = bytearray()
    try:
        async with asyncio.timeout(_SECONDS):
            async for part in request.stream():
                found += part
                if len(found) > MOST_BYTES:
                    raise _too_long()
    except TimeoutError as error:
        raise Problem(408, f"the body must be sent within {_SECONDS:g} seconds", "too_slow") from error
    return bytes(found)


def read_items(body: bytes) -> tuple[list[list[Member] | None], bool]:
    """Returns the members of each JSON object of an array, or of the only one; None for what is no object.

    And whether they came in an array. Raises Problem if the whole is no JSON, or there are too many.
    """
    try:
        text = body.decode()
        found = elements(text, MOST_ITEMS, _MOST_MEMBERS)
        return ([members(text, _MOST_MEMBERS)], False) if found is None else (found, True)
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8 at byte {error.start:,}", "invalid_utf8") from error
    except RecursionError as error:
        raise Problem(400, "the body is nested too deeply", "invalid_json") from error
    except TooMany as error:
        raise Problem(413, f"{error}: send it in parts", "too_many") from error
    except NoObject as error:
        raise Problem(400, "the body must be a JSON object, or an array of objects", "invalid_json") from error
    except ValueError as error:
        # JSONDecodeError.msg says what is wrong and quotes nothing of the document.
        said, at = getattr(error, "msg", "an unreadable value"), getattr(error, "pos", 0)
        raise Problem(400, f"the body is no JSON: {said} at character {at:,}", "invalid_json") from error


def _too_long() -> Problem:
    return Problem(413, f"the body must have at most {MOST_BYTES:,} bytes: send it in parts", "too_large")
