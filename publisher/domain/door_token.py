"""A token of the HTTP door: how it is written, how it is kept, and what it lets its holder send."""

import base64
import hashlib
import re
from enum import StrEnum

# A search for leaked secrets finds a token by this.
PREFIX = "npt_"
RANDOM_BYTES = 32
_TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}", re.ASCII)


class Sends(StrEnum):
    """What the holder of a token may send: INTENTS of the token's producer, EVENTS about any delivery, or both."""

    INTENTS = "intents"
    EVENTS = "events"


def written_token(random: bytes) -> str:
    """Returns the token of these 32 random bytes, such as `npt_mB5…`: 47 letters, digits, dashes and underscores."""
    return PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def is_token(text: str) -> bool:
    """Returns whether the text has the form of a token. Whether there is such a token PostgreSQL alone knows."""
    return _TOKEN.fullmatch(text) is not None


def token_hash(token: str) -> bytes:
    """Returns the SHA-256 of the token, by which it is kept and found.

    A token is 256 random bits: unlike a password, nobody finds it by trying, so that it needs no slow hash.
    """
    return hashlib.sha256(token.encode()).digest()
