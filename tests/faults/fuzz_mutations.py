"""The mutations of the intent fuzzer: each changes a draft, whatever earlier mutations did to it."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.faults.fuzz_draft import Draft

PLAIN = [
    "notification_type",
    "producer",
    "audience_kind",
    "idempotency_key",
    "occurred_at_ms",
    "request_id",
    "trace_id",
]
JSON = ("recipients_json", "channels_json", "payload_json")
LIMITS = {"producer": 64, "idempotency_key": 256, "notification_type": 128, "request_id": 128, "trace_id": 128}

BYTES = (b"\xff", b"\xfe\xff", b"\xc0\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\0")
NUMBERS = (
    *[
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "1e-999",
        "1e308",
        "-0",
        "01",
        "+1",
        ".5",
        "1.",
        "0x1",
        "1_000",
    ],
    *("9" * 4300, "-" + "9" * 4300, "9" * 4301, "9" * 5000, "9" * 5000 + ".5", "9" * 400 + "e-400", "1e" + "9" * 5000),
)
VALUES: tuple[Any, ...] = (None, True, False, 0, -1, 1.5, "", " ", [], {}, [[]], [None], {"": ""}, [{}], "null", 10**30)
MILLISECONDS = (
    *("-1", "1.5", "1e3", "٣٣", "９", "0", "0x1", "now"),
    *("", " 1", "1\n", "0" * 14, "9" * 14, "9" * 15, "9" * 5000),
)
DEPTHS = (62, 63, 64, 65, 66, 500, 1_000, 20_000, 120_000)


def odd_text(draft: Draft) -> None:
    draft.set(draft.rng.choice(PLAIN), draft.odd(draft.word))


def odd_time(draft: Draft) -> None:
    draft.set("occurred_at_ms", draft.rng.choice(MILLISECONDS))


def odd_recipient(draft: Draft) -> None:
    recipient = draft.rng.choice(draft.recipients)
    name = draft.rng.choice(("user_id", "email", "locale", draft.odd("key")))
    recipient[name] = draft.rng.choice((draft.odd(draft.word), *draft.rng.sample(VALUES, 2)))
    draft.json("recipients_json", draft.recipients)


def odd_address(draft: Draft) -> None:
    draft.rng.choice(draft.recipients)[draft.rng.choice(("email", "email", "email", "locale"))] = draft.address()
    draft.json("recipients_json", draft.recipients)


def address_as_id(draft: Draft) -> None:
    address = f"x{draft.secret}@example.com"
    name = draft.rng.choice(("user_id", "producer", "idempotency_key", "request_id", "trace_id", "notification_type"))
    if name == "user_id":
        draft.recipients[0][name] = address
        draft.json("recipients_json", draft.recipients)
    else:
        draft.set(name, address)


def many_recipients(draft: Draft) -> None:
    count = draft.rng.choice((999, 1000, 1001, 3000))
    draft.recipients += [{"user_id": f"{draft.word}{n}"} for n in range(1, count)]
    if draft.rng.random() < 0.3:
        draft.recipients[-1] = draft.recipients[0]
    draft.json("recipients_json", draft.recipients)


def same_recipient(draft: Draft) -> None:
    draft.recipients.append(draft.recipients[0] | {"locale": "en"})
    draft.json("recipients_json", draft.recipients)


def odd_payload(draft: Draft) -> None:
    draft.payload[draft.odd(draft.secret)] = draft.rng.choice((draft.odd(draft.secret), *draft.rng.sample(VALUES, 2)))
    draft.json("payload_json", draft.payload)


def odd_channels(draft: Draft) -> None:
    names = ("email", "push", "Email", draft.word, draft.odd(draft.word), f"x{draft.secret}@example.com", "")
    draft.json("channels_json", draft.rng.choice((draft.rng.choices(names, k=3), draft.rng.choice(VALUES))))


def odd_value(draft: Draft) -> None:
    draft.json(draft.rng.choice(JSON), draft.rng.choice((*VALUES, draft.secret, [draft.secret], {"a": draft.secret})))


def odd_number(draft: Draft) -> None:
    number = draft.rng.choice(NUMBERS)
    form = draft.rng.choice(('{{"a":{}}}', '[{{"user_id":{}}}]', "[{}]", '{{"a":[1,{{"b":{}}}]}}'))
    draft.set(draft.rng.choice(("payload_json", "payload_json", *JSON)), form.format(number))


def deep(draft: Draft) -> None:
    depth = draft.rng.choice(DEPTHS)
    opening, closing = draft.rng.choice((("[", "]"), ('{"a":', "}"), ('[{"user_id":', "}]")))
    text = '{"a":' + opening * depth + f'"{draft.secret}"' + closing * draft.rng.choice((depth, depth, depth - 1)) + "}"
    draft.set(draft.rng.choice(("payload_json", "payload_json", *JSON)), text)


def broken_json(draft: Draft) -> None:
    places = [n for n, (name, _) in enumerate(draft.fields) if name.decode(errors="replace") in JSON]
    if not places:
        return
    place = draft.rng.choice(places)
    name, text = draft.fields[place]
    cut = draft.rng.randrange(len(text) + 1)
    broken = draft.rng.choice(
        (
            text[:cut],
            text[:cut] + text[cut + 1 :],
            text + text,
            text[:cut] + b'"' + text[cut:],
            text.replace(b'"', b"'"),
        )
    )
    draft.fields[place] = (
        name,
        draft.rng.choice((broken, b"\xef\xbb\xbf" + text, text[:-1] + b"," + text[-1:], b"//" + text)),
    )


def bad_bytes(draft: Draft) -> None:
    place = draft.rng.randrange(len(draft.fields)) if draft.fields else 0
    name, value = draft.fields[place] if draft.fields else (b"", b"")
    bad, cut = draft.rng.choice(BYTES), draft.rng.randrange(len(value) + 1)
    damaged = draft.rng.choice(
        (
            (name, value[:cut] + bad + value[cut:]),
            (name + bad, value),
            (name, value.decode(errors="replace").encode("utf-16")),
        )
    )
    draft.fields[place : place + 1] = [damaged]


def at_a_limit(draft: Draft) -> None:
    name, limit = draft.rng.choice(list(LIMITS.items()))
    padding = draft.rng.choice(("x", "é", "𝒶"))
    draft.set(name, draft.word + padding * (limit - len(draft.word) + draft.rng.choice((-1, 0, 1, 5000))))


def large_payload(draft: Draft) -> None:
    around = len('{"a":""}') + len(draft.secret)
    draft.set(
        "payload_json",
        '{"a":"' + draft.secret + "x" * (256 * 1024 - around + draft.rng.choice((-1, 0, 1, 10**6))) + '"}',
    )


def huge(draft: Draft) -> None:
    draft.rng.choice(
        (
            lambda: draft.set("recipients_json", "[" + "1," * 1_000_000 + "1]"),
            lambda: draft.set("recipients_json", "[" + "{}," * 1_500_000 + "{}]"),
            lambda: draft.json("channels_json", [f"c{n}" for n in range(3_000)]),
            lambda: draft.json("recipients_json", [{f"{n}": n for n in range(20_000)}]),
            lambda: draft.fields.extend((f"unknown {n}".encode(), draft.word.encode()) for n in range(20_000)),
            lambda: draft.set("payload_json", "[" * 2_000_000),
            lambda: draft.set("x" * 1_000_000, draft.word),
        )
    )()


def missing(draft: Draft) -> None:
    draft.rng.shuffle(draft.fields)
    del draft.fields[: draft.rng.choice((1, 1, 1, 2, 3))]


def blank(draft: Draft) -> None:
    draft.set(draft.rng.choice((*PLAIN, *JSON)), draft.rng.choice(("", " ", "\u3000", "null")))


def unknown(draft: Draft) -> None:
    address = f"x{draft.name}@example.com"
    names = (draft.odd("key"), "", "Producer", "payload", address, f"{'y' * draft.rng.randrange(170, 200)} {address}")
    draft.set(draft.rng.choice(names), draft.word)


def twice(draft: Draft) -> None:
    name, value = draft.rng.choice(draft.fields) if draft.fields else (b"", b"")
    draft.fields.insert(
        draft.rng.randrange(len(draft.fields) + 1), (name, draft.rng.choice((value, draft.word.encode())))
    )


def swapped(draft: Draft) -> None:
    if len(draft.fields) > 1:
        one, two = draft.rng.sample(range(len(draft.fields)), 2)
        (a, b), (c, d) = draft.fields[one], draft.fields[two]
        # What was a secret where it stood need not be one where it stands now.
        known = draft.secret.encode(), draft.word.encode()
        draft.fields[one], draft.fields[two] = (a, d.replace(*known)), (c, b.replace(*known))


# With their weights. The large ones are rare: a megabyte tells no more than a kilobyte, but takes its time.
MUTATIONS: Mapping[Callable[[Draft], None], float] = {
    **dict.fromkeys((odd_text, odd_time, odd_recipient, odd_address, address_as_id, odd_payload), 30),
    **dict.fromkeys((odd_channels, odd_value, odd_number, broken_json, bad_bytes, at_a_limit), 30),
    **dict.fromkeys((missing, blank, unknown, twice, swapped), 30),
    **dict.fromkeys((same_recipient, deep), 10),
    **dict.fromkeys((many_recipients, large_payload), 2),
    huge: 0.3,
}
