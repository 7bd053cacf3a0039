"""Which module may import what, and what only some may do: held over the syntax trees of the whole code."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# A folder is a layer. A module belongs to the longest name here that is its own or a parent's. It may import its own
# layer and those named beside it; also inside functions, and for type checkers alone.
SERVERS = ["publisher.domain", "publisher.channels", "publisher.streams", "storage"]
LAYERS: dict[str, list[str]] = {
    "publisher.domain": [],
    "publisher.settings": ["publisher.domain"],
    "publisher.channels": ["publisher.domain"],
    "publisher.streams": ["publisher.domain"],
    "storage": ["publisher.domain"],
    "publisher.process": ["publisher.domain", "publisher.streams"],
    "publisher.publishing": [*SERVERS, "publisher.process"],
    "publisher.intake": [*SERVERS, "publisher.process"],
    "publisher.operations": [*SERVERS, "publisher.settings", "publisher.process", "publisher.intake"],
    "publisher.doctor": [*SERVERS, "publisher.settings", "publisher.process", "publisher.operations"],
    "publisher.observability": [*SERVERS, "publisher.settings", "publisher.process", "publisher.operations"],
    "publisher.mail": [*SERVERS, "publisher.settings", "publisher.process"],
    "publisher.web": [
        *SERVERS,
        "publisher.settings",
        "publisher.process",
        "publisher.intake",
        "publisher.operations",
        "publisher.observability",
        "publisher.mail",
    ],
    "actors": [*SERVERS, "publisher.process", "publisher.publishing", "publisher.operations"],
}
# The rest of `publisher`, the entry modules: they may import every layer, and nobody else imports them.
ENTRY = "publisher"

READS_ENVIRONMENT = re.compile(
    r"publisher\.(environment|log_settings|bootstrap|worker_metrics|local\.(procfile|demo\w*)|cli(\.\w+)*)"
)
NOT_IN_THE_DOMAIN = {
    *("time", "random", "secrets", "os", "sys", "socket", "threading", "subprocess", "asyncio", "logging"),
    *("redis", "peewee", "playhouse", "psycopg2", "dramatiq", "apscheduler", "structlog"),
}
READS_CLOCK_OR_CHANCE = {"now", "utcnow", "today", "uuid1", "uuid4"}
SQL = re.compile(
    r"\b(SELECT\s|INSERT\s+INTO\b|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\b|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|DATABASE)\b)"
)

Code = Sequence[ast.AST]
Rule = Callable[[str, Code], Iterator[str]]


def layer_of(module: str) -> str:
    """The layer that a module of ours belongs to."""
    owners = [layer for layer in LAYERS if f"{module}.".startswith(f"{layer}.")]
    return max(owners, key=len, default=ENTRY)


def imported(code: Code) -> Iterator[str]:
    """Every module that is imported, and every name that is taken from one, as if it were a module."""
    for node in code:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (f"{node.module}." if node.module else "")
            yield from (f"{module}{alias.name}" for alias in node.names)


def texts(code: Code) -> Iterator[str]:
    """Every string in the code, docstrings left out."""
    scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in code if isinstance(node, scopes)]
    docstrings = {body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in code:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.value


def attributes(code: Code) -> Iterator[tuple[str, str]]:
    """Every attribute that is used, after the name it is used of, or nothing where that is no plain name."""
    for node in code:
        if isinstance(node, ast.Attribute):
            yield node.value.id if isinstance(node.value, ast.Name) else "", node.attr


def imports_go_one_way(module: str, code: Code) -> Iterator[str]:
    """Only what the table allows is imported, by its absolute name."""
    layer = layer_of(module)
    for name in imported(code):
        if name.startswith("."):
            yield f"imports {name}, relative"
        elif name.split(".")[0] in {"publisher", "actors", "storage"} and layer != ENTRY:
            target = layer_of(name)
            if target != layer and target not in LAYERS[layer]:
                yield f"imports {name}"


def domain_is_pure(module: str, code: Code) -> Iterator[str]:
    """The domain knows no server, no environment, no clock and no chance."""
    if layer_of(module) != "publisher.domain":
        return
    yield from (f"imports {name}" for name in imported(code) if name.split(".")[0] in NOT_IN_THE_DOMAIN)
    yield from (f"calls {name}" for _, name in attributes(code) if name in READS_CLOCK_OR_CHANCE)


def sql_stays_in_storage(module: str, code: Code) -> Iterator[str]:
    """Statements, and the drivers that run them, are storage's alone."""
    if layer_of(module) == "storage":
        return
    yield from (f"holds SQL: {text[:40]!r}" for text in texts(code) if SQL.search(text))
    yield from (f"calls {name}" for _, name in attributes(code) if name == "execute_sql")
    drivers = {"peewee", "playhouse", "psycopg2"}
    yield from (f"imports {name}" for name in imported(code) if name.split(".")[0] in drivers)


def environment_is_read_once(module: str, code: Code) -> Iterator[str]:
    """Only the composition, and what starts other processes, looks at the environment."""
    if READS_ENVIRONMENT.fullmatch(module):
        return
    readers = {"environ", "environb", "getenv", "getenvb"}
    yield from (f"reads os.{name}" for owner, name in attributes(code) if owner == "os" and name in readers)
    yield from (f"imports os.{name}" for name in readers & {n.removeprefix("os.") for n in imported(code)})


def operations_know_no_terminal(module: str, code: Code) -> Iterator[str]:
    """A web page calls operations as the terminal does: they neither ask, print, exit nor handle signals (R34)."""
    if layer_of(module) == "publisher.operations":
        terminal = {"typer", "click", "rich", "sys", "signal"}
        yield from (f"imports {name}" for name in imported(code) if name.split(".")[0] in terminal)


def tracing_is_optional(module: str, code: Code) -> Iterator[str]:
    """OpenTelemetry is an extra: one module needs it, and whoever imports that one is told when it is missing."""
    needs, opens = "publisher.process.otel_spans", "publisher.process.tracing"
    for name in imported(code):
        if (name.split(".")[0] == "opentelemetry" and module != needs) or (name.startswith(needs) and module != opens):
            yield f"imports {name}"


RULES: list[Rule] = [
    imports_go_one_way,
    tracing_is_optional,
    domain_is_pure,
    sql_stays_in_storage,
    environment_is_read_once,
    operations_know_no_terminal,
]


def paths() -> Iterator[tuple[str, Path]]:
    """Every module of the three packages, by name."""
    for package in ("publisher", "actors", "storage"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def parsed(source: str) -> Code:
    """Every node of the syntax tree of a source text."""
    return list(ast.walk(ast.parse(source)))


MODULES = {name: parsed(path.read_text()) for name, path in paths()}


def breaches(rule: Rule, modules: Iterable[tuple[str, Code]]) -> list[str]:
    """What the rule forbids and these modules do."""
    return [f"{module} {breach}" for module, code in modules for breach in rule(module, code)]


@pytest.mark.parametrize("rule", RULES)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    """Every module keeps every rule of the architecture."""
    assert breaches(rule, MODULES.items()) == []


def test_every_layer_is_there() -> None:
    """A layer that was renamed would be held by nothing."""
    assert {layer_of(module) for module in MODULES} == {*LAYERS, ENTRY}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Each module of a layer can be read before those that import it; a type checker's imports count as well."""
    TopologicalSorter({m: own_imports(m, code) for m, code in MODULES.items() if layer_of(m) != ENTRY}).prepare()


def test_no_rooms_import_each_other_in_a_circle() -> None:
    """Each folder inside a layer can be read before those that import it. A module beside the folders is its own."""
    rooms: dict[str, set[str]] = {}
    for module, code in MODULES.items():
        if layer_of(module) != ENTRY:
            there = {room_of(name) for name in own_imports(module, code)}
            rooms.setdefault(room_of(module), set()).update(there - {room_of(module)})

    TopologicalSorter(rooms).prepare()


def room_of(module: str) -> str:
    """The folder right inside its layer in which a module is, or the module itself."""
    layer = layer_of(module)
    first = module.removeprefix(layer).lstrip(".").partition(".")[0]
    return f"{layer}.{first}" if first else layer


def own_imports(module: str, code: Code) -> set[str]:
    """The modules of ours that a module imports."""
    parents = ((name, name.rpartition(".")[0]) for name in imported(code))
    return {next(n for n in names if n in MODULES) for names in parents if not MODULES.keys().isdisjoint(names)} - {
        module
    }


def test_the_package_imports_nothing() -> None:
    """`import publisher` costs nothing: the rest is imported by whoever needs it."""
    assert list(imported(MODULES["publisher"])) == []


@pytest.mark.parametrize(
    ("rule", "module", "source", "breach"),
    [
        (imports_go_one_way, "publisher.domain.x", "import storage.database", "imports storage.database"),
        (
            imports_go_one_way,
            "publisher.domain.x",
            "def f():\n    from publisher import process",
            "imports publisher.process",
        ),
        (imports_go_one_way, "publisher.domain.x", "from . import y", "imports .y, relative"),
        (imports_go_one_way, "publisher.domain", "from ..settings import z", "imports ..settings.z, relative"),
        (
            imports_go_one_way,
            "storage.x",
            "from publisher.streams import outbound",
            "imports publisher.streams.outbound",
        ),
        (imports_go_one_way, "storage.x", "if TYPE_CHECKING:\n    import publisher.cli", "imports publisher.cli"),
        (
            imports_go_one_way,
            "publisher.publishing.publisher",
            "from actors.routes import x",
            "imports actors.routes.x",
        ),
        (
            imports_go_one_way,
            "publisher.process.x",
            "from publisher.intake import x",
            "imports publisher.intake.x",
        ),
        (
            imports_go_one_way,
            "publisher.streams.x",
            "import publisher.settings.settings",
            "imports publisher.settings.settings",
        ),
        (imports_go_one_way, "actors.x", "from publisher.bootstrap import x", "imports publisher.bootstrap.x"),
        (imports_go_one_way, "actors.x", "from publisher import actors", "imports publisher.actors"),
        (domain_is_pure, "publisher.domain.x", "import os.path", "imports os.path"),
        (domain_is_pure, "publisher.domain.x", "from random import random", "imports random.random"),
        (domain_is_pure, "publisher.domain.x", "at = datetime.now(UTC)", "calls now"),
        (domain_is_pure, "publisher.domain.x", "def f():\n    return uuid.uuid4()", "calls uuid4"),
        (sql_stays_in_storage, "actors.x", "x = f'SELECT {y}'", "holds SQL: 'SELECT '"),
        (sql_stays_in_storage, "publisher.cli.x", "run('DELETE FROM routes')", "holds SQL: 'DELETE FROM routes'"),
        (sql_stays_in_storage, "publisher.x", "db.execute_sql(x)", "calls execute_sql"),
        (sql_stays_in_storage, "publisher.x", "import psycopg2.errors", "imports psycopg2.errors"),
        (environment_is_read_once, "publisher.settings.settings", "x = os.environ['X']", "reads os.environ"),
        (environment_is_read_once, "actors.x", "def f():\n    return os.getenv('X')", "reads os.getenv"),
        (environment_is_read_once, "storage.x", "from os import environ", "imports os.environ"),
        (operations_know_no_terminal, "publisher.operations.x", "from typer import Exit", "imports typer.Exit"),
        (tracing_is_optional, "publisher.x", "from opentelemetry import trace", "imports opentelemetry.trace"),
        (
            tracing_is_optional,
            "publisher.x",
            "from publisher.process.otel_spans import OtelSpans",
            "imports publisher.process.otel_spans.OtelSpans",
        ),
    ],
)
def test_a_breach_is_found(rule: Rule, module: str, source: str, breach: str) -> None:
    """Each rule can fail: it finds what it forbids in a line of made-up code."""
    assert breaches(rule, [(module, parsed(source))]) == [f"{module} {breach}"]


@pytest.mark.parametrize(
    ("rule", "module", "source"),
    [
        (imports_go_one_way, "publisher.domain.x", "import json\nfrom publisher.domain.y import z"),
        (imports_go_one_way, "publisher.cli.x", "from actors.routes import x\nfrom publisher.intake.consumer import y"),
        (imports_go_one_way, "storage.x", "import publisher_of_others\nfrom publisher.domain import errors"),
        (domain_is_pure, "storage.x", "import time"),
        (sql_stays_in_storage, "storage.x", "x = 'SELECT 1'"),
        (sql_stays_in_storage, "publisher.x", "def f():\n    '''Does what SELECT does.'''\n    return 'select one'"),
        (environment_is_read_once, "publisher.cli.up", "x = os.environ"),
        (environment_is_read_once, "publisher.local.embedded", "x = servers.environ['X']"),
    ],
)
def test_what_is_allowed_is_no_breach(rule: Rule, module: str, source: str) -> None:
    """No rule forbids more than it says."""
    assert breaches(rule, [(module, parsed(source))]) == []
