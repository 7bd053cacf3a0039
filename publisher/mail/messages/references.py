"""Writes a delivery id as a short word that mail systems leave alone, and finds the delivery by that word again.

The word stands in the Message-ID and in the return path, so that a bounce that quotes either names its delivery. It
has 41 lower-case letters and digits: a local part has room for 64 (RFC 5321, 4.5.3.1.1), and some mail systems change
upper case to lower.

A word that begins with `n` holds the notification id whole and a code of the delivery id, because a route id can be
longer than a local part. A word that begins with `x` is a code of a delivery id of another form. The code is BLAKE2b
with a key (RFC 7693): without the key nobody makes the word of a delivery whose message he has not seen.
"""

import re
from base64 import b32decode, b32encode
from dataclasses import dataclass
from hashlib import blake2b
from uuid import UUID

# 25 bytes are 40 letters of base 32, with no padding.
_ID_BYTES, _CODE_BYTES = 16, 9
_OPAQUE_BYTES = _ID_BYTES + _CODE_BYTES
# ASCII: else some letters of other alphabets, such as the Kelvin sign, count as a letter's other case.
_WORD = re.compile(r"(?<![a-z0-9])([nx][a-z2-7]{40})(?![a-z0-9])", re.ASCII | re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RETURN_PATH = "bounce-"


@dataclass(frozen=True, slots=True)
class Reference:
    """A delivery, as its messages name it.

    notification_id: its notification; None if the delivery id was not of the form `<notification id>/<route id>`.
    code: what only whoever has the key can make of the delivery id.
    """

    notification_id: str | None
    code: bytes

    @property
    def word(self) -> str:
        """The reference as 41 lower-case letters and digits."""
        if self.notification_id is None:
            return f"x{_base32(self.code)}"
        return f"n{_base32(UUID(self.notification_id).bytes + self.code)}"

    def is_of(self, delivery_id: str, key: bytes) -> bool:
        """True if this is the reference of that delivery."""
        return reference_of(delivery_id, key) == self


def reference_of(delivery_id: str, key: bytes) -> Reference:
    """Returns the reference of a delivery, the same every time.

    key: the same for all processes, and a secret of up to 64 bytes.
    """
    notification_id, _, route_id = delivery_id.partition("/")
    if route_id and _UUID.fullmatch(notification_id):
        return Reference(notification_id, _code(delivery_id, key, _CODE_BYTES))
    return Reference(None, _code(delivery_id, key, _OPAQUE_BYTES))


def find_reference(text: str) -> Reference | None:
    """Returns the first reference in a text, such as a Message-ID or an address, or None. Case does not count."""
    found = _WORD.search(text)
    if found is None:
        return None
    kind, packed = found[1][0].lower(), b32decode(found[1][1:].upper())
    if kind == "x":
        return Reference(None, packed)
    return Reference(str(UUID(bytes=packed[:_ID_BYTES])), packed[_ID_BYTES:])


def message_id(reference: Reference, domain: str) -> str:
    """Returns the Message-ID of a delivery's message, angle brackets included. domain: in ASCII."""
    return f"<{reference.word}@{domain}>"


def return_path(reference: Reference, domain: str) -> str:
    """Returns the address that bounces of this delivery are sent to (VERP). domain: in ASCII."""
    return f"{_RETURN_PATH}{reference.word}@{domain}"


def _code(text: str, key: bytes, size: int) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=size, key=key).digest()


def _base32(data: bytes) -> str:
    return b32encode(data).decode().lower()
