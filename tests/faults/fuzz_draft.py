"""An intent that a fuzzer is building, and the odd texts that it puts in."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

Pair = tuple[bytes, bytes]

CONTROLS = ("\0", "\r\n", "\r", "\n", "\t", "\x0b", "\x0c", "\x1b[2J", "\x7f", "\x85", "\x9b")
SURROGATES = ("\ud800", "\udfff", "\ude00\ud83d", "\udcff")
# Invisible, turning the line around, ending it, composed, no characters at all, and look-alikes.
TRICKS = (
    *"\u200b\u200d\u202e\u2066\u2028\u2029\u3000\u00a0\u00ad\ufeff\ufffd\ufffe\uffff\U0010ffff\ue000\U000e0041éſİß＠．𝒶٣",
    *("e\u0301", "👩\u200d👩\u200d👧"),
)
NAMES = (
    *("{}", "{", "}{", "{0}", "{x!r}", "{mail:delivery_commands}", "mail:delivery_commands", "gateway:client_events"),
    *("notification:intents", "dramatiq:email", "publisher:witness:{mail:delivery_commands}:x", "email:user:7", "0-0"),
    *("*", ">", "$", "%", "%s", "%(ids)s", "'; DROP TABLE routes; --", '"', "\\", "\\u0000", "\\N", "/", "..", "a/b"),
    *("NULL", "EVAL", "true", "undefined", "@", "a@b@c", "address:", "<a@b.c>", "=@", "$$", "?", "#", "()", ";", ","),
)


@dataclass
class Draft:
    """An entry in the making. word: planted in values that logs may show of a valid intent. secret: in addresses and
    payloads, which no log shows. name: in addresses that stand where names stand."""

    rng: random.Random
    fields: list[Pair] = field(default_factory=list)
    recipients: list[Any] = field(default_factory=list)
    payload: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.word, self.secret, self.name = (f"{kind}{self.rng.getrandbits(40):010x}" for kind in ("w", "secret", "n"))

    def set(self, name: str, value: bytes | str) -> None:
        """Gives a field this value, in its place or at the end."""
        pair = (
            name.encode(errors="surrogatepass"),
            value if isinstance(value, bytes) else value.encode(errors="surrogatepass"),
        )
        places = [n for n, (known, _) in enumerate(self.fields) if known == pair[0]]
        self.fields[places[0] if places else len(self.fields) : places[0] + 1 if places else None] = [pair]

    def json(self, name: str, value: object) -> None:
        """Gives a field this value as JSON, its odd characters escaped or raw."""
        self.set(name, json.dumps(value, ensure_ascii=self.rng.random() < 0.5))

    def odd(self, planted: str) -> str:
        """The planted text with something odd before it, in it or after it."""
        odd = self.rng.choice(self.rng.choice((CONTROLS, SURROGATES, TRICKS, NAMES, NAMES)))
        if self.rng.random() < 0.2:
            odd *= self.rng.choice((2, 60, 130, 300))
        half = len(planted) // 2
        return self.rng.choice((odd + planted, planted + odd, planted[:half] + odd + planted[half:]))

    def address(self) -> str:
        """An address, or no address, whose local part holds the secret."""
        odd = self.rng.choice(self.rng.choice((CONTROLS, SURROGATES, TRICKS, NAMES)))
        return self.rng.choice(
            (
                f"x{self.secret}{odd}@example.com",
                f"x{odd.replace('@', '')}{self.secret}@example.com",
                f"x{self.secret}{odd}",
                f"x{self.secret}@example.com\r\nBcc: x{self.secret}@example.com",
                f'"x {self.secret}"@example.com',
                f'"x@{self.secret}"@example.com',
                f"x{self.secret}" + "y" * self.rng.choice((400, 484, 485, 486, 5000)) + "@example.com",
                f"  x{self.secret}@example.com ",
                f"x{self.secret}@",
            )
        )


def valid(rng: random.Random) -> Draft:
    """An intent to a user or a mailbox."""
    draft = Draft(rng)
    draft.set("notification_type", f"game.{draft.word}")
    draft.set("producer", f"game {draft.word}")
    draft.set("audience_kind", "user")
    draft.set("idempotency_key", f"{draft.word} {rng.getrandbits(40)}")
    draft.set("occurred_at_ms", "1773480413589")
    draft.recipients = [{"user_id": f"{draft.word}", "email": f"x{draft.secret}@example.com", "locale": "de"}]
    draft.payload = {"card": draft.secret, "turn": 17}
    if rng.random() < 0.3:
        draft.set("audience_kind", "admin_email")
        del draft.recipients[0]["user_id"]
    draft.json("recipients_json", draft.recipients)
    draft.json("payload_json", draft.payload)
    for name in ("request_id", "trace_id"):
        if rng.random() < 0.3:
            draft.set(name, draft.word)
    if rng.random() < 0.3:
        draft.json("channels_json", ["email"])
    return draft
