"""Every SQL statement of `storage` has a name, by which logs and tests know it."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import storage

STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|EXPLAIN)\b")
NAMED = re.compile(r"/\* (\w+) \*/\s+(SELECT|INSERT|UPDATE|DELETE|WITH|EXPLAIN)\b")


def statements() -> Iterator[tuple[str, str]]:
    """Every constant of the modules that is a statement or begins like one, with where it stands."""
    for module in pkgutil.walk_packages(storage.__path__, "storage."):
        if module.ispkg or module.name.startswith("storage.migrations."):
            continue
        for constant, value in vars(importlib.import_module(module.name)).items():
            for text in value.values() if isinstance(value, dict) else [value]:
                if isinstance(text, str) and (STATEMENT.match(text) or text.startswith("/* ")):
                    yield f"{module.name}.{constant}", text


def test_every_statement_begins_with_its_name() -> None:
    """A statement that a log shows can be found in the code: only parts of other statements have no name."""
    found = dict(statements())
    whole = [text for text in found.values() if NAMED.match(text)]

    unnamed = [where for where, text in found.items() if not NAMED.match(text) and not any(text in w for w in whole)]

    assert len(whole) > 100
    assert unnamed == []


def test_no_two_statements_share_a_name() -> None:
    """A name means one statement."""
    names: dict[str, set[str]] = {}
    for _, text in statements():
        if match := NAMED.match(text):
            names.setdefault(match[1], set()).add(text)

    assert {name for name, texts in names.items() if len(texts) > 1} == set()
