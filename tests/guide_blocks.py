"""The blocks of the guides that follow from the code. `python -m tests.guide_blocks` writes them anew.

A block stands between `<!-- block: NAME -->` and `<!-- end -->`, in the guide that BLOCKS names.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

from publisher.channels.registry import discover_channels
from publisher.cli.app import app
from publisher.cli.grants import postgresql_lines, redis_lines
from publisher.doctor.grants import Grants, needed_grants
from publisher.observability.catalogue import GAUGES
from publisher.settings.settings import Settings
from tests import guide_scaling, guide_sizes
from tests.faults.incidents.incidents import INCIDENTS
from tests.faults.incidents.recording import read

ROOT = Path(__file__).parent.parent
GUIDES = ROOT / "publisher" / "guides"
_PACKAGES = ("publisher", "actors", "storage")


def redis_rights() -> str:
    """One command for a shell, for the streams as they are by default."""
    return _fenced("sh", redis_lines(_grants().redis[0]))


def postgresql_rights() -> str:
    """The statements that grant."""
    return _fenced("sql", postgresql_lines(_grants()))


def _grants() -> Grants:
    """Returns what `doctor --print-grants` prints for a user and role `publisher`, and a database `app`."""
    environ = {"DATABASE_URL": "postgres://a/app", "REDIS_URL": "redis://a"}
    return needed_grants(Settings.from_environ(environ, discover_channels()))


def commands() -> str:
    """Each command with the first paragraph of its help."""
    rows = (f"| `{name}` | {about} |" for name, about in _commands(typer.main.get_command(app), "publisher"))
    return "\n".join(["| command | does |", "|---|---|", *rows])


def tree() -> str:
    """Each file of the three packages with the first line of its docstring; of the tests the folders.

    A folder without a module is one line.
    """
    lines = [line for package in _PACKAGES for line in _tree(ROOT / package, 0)]
    lines += ["tests/"] + [_line(f"  {folder.name}/", _about(folder / "__init__.py")) for folder in _test_rooms()]
    return _fenced("", lines)


def gauges() -> str:
    """Each gauge with its labels and what it tells."""
    rows = (f"| `{gauge.name}` | {', '.join(gauge.labels)} | {gauge.help} |" for gauge in GAUGES)
    return "\n".join(["| gauge | labels | tells |", "|---|---|---|", *rows])


def alerts() -> str:
    """Each alert with the incident in which it fires, and after how long: as promised, and as it was recorded."""
    rows = [
        f"| `{alert}` | {incident.about} | {within} s | {read(incident.name).fired[alert]:.0f} s |"
        for incident in INCIDENTS
        for alert, within in incident.fires.items()
    ]
    return "\n".join(["| alert | fires when | within | measured |", "|---|---|---|---|", *rows])


def also() -> str:
    """Each incident with the other alerts that fire in it."""
    rows = []
    for incident in INCIDENTS:
        others = [f"`{alert}`" for alert in read(incident.name).fired if alert not in incident.fires]
        if others:
            rows.append(f"| {incident.about} | {', '.join(others)} |")
    return "\n".join(["| when | these fire as well |", "|---|---|", *rows])


# Block -> its guide and what makes it.
_END = "<!-- end -->"
BLOCKS: dict[str, tuple[str, Callable[[], str]]] = {
    "redis rights": ("deploying", redis_rights),
    "postgresql rights": ("deploying", postgresql_rights),
    "commands": ("operating", commands),
    "tree": ("inside", tree),
    "gauges": ("observing", gauges),
    "alerts": ("observing", alerts),
    "also": ("observing", also),
    "sizes": ("sizing", guide_sizes.places_table),
    "written": ("sizing", guide_sizes.written_table),
    "cpu": ("sizing", guide_sizes.cpu_table),
    "settings": ("sizing", guide_sizes.settings_table),
    "growth": ("sizing", guide_sizes.growth_table),
    "fleets": ("scaling", guide_scaling.fleets_table),
    "spread": ("scaling", guide_scaling.spread_table),
    "machines": ("scaling", guide_scaling.machines_table),
    "parts": ("scaling", guide_scaling.parts_table),
    "one core": ("scaling", guide_scaling.one_core_table),
    "split": ("scaling", guide_scaling.split_table),
    "paper": ("scaling", guide_scaling.paper_table),
}


def written(block: str) -> str:
    """The block as it stands in its guide."""
    text = (GUIDES / f"{BLOCKS[block][0]}.md").read_text()
    found = _block(block).search(text)
    assert found, f"{BLOCKS[block][0]}.md has no block {block!r}"
    return found[2]


def write() -> None:
    """Writes every block as the code has it."""
    for block, (guide, make) in BLOCKS.items():
        path = GUIDES / f"{guide}.md"
        made = make()
        path.write_text(_block(block).sub(lambda found, made=made: f"{found[1]}{made}\n{_END}", path.read_text()))


def _block(block: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- block: {block} -->\n)(.*?)\n?{_END}", re.DOTALL)


def _commands(command: typer.core.TyperCommand | typer.core.TyperGroup, name: str) -> Iterator[tuple[str, str]]:
    if not isinstance(command, typer.core.TyperGroup):
        arguments = [_argument(p) for p in command.params if p.param_type_name == "argument"]
        yield " ".join([name, *arguments]), " ".join((command.help or "").split("\n\n")[0].split())
        return
    context = command.make_context(name, [], resilient_parsing=True)
    for part in command.list_commands(context):
        yield from _commands(command.get_command(context, part), f"{name} {part}")


def _argument(parameter: typer.core.TyperArgument) -> str:
    name = parameter.name.removesuffix("_").upper()
    return name if parameter.required else f"[{name}]"


def _tree(folder: Path, depth: int) -> Iterator[str]:
    yield _line(f"{'  ' * depth}{folder.name}/", _about(folder / "__init__.py"))
    inside = [path for path in folder.iterdir() if path.name not in {"__init__.py", "__pycache__"}]
    for path in sorted(inside, key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir() and not any(path.glob("*.py")):
            yield _line(f"{'  ' * (depth + 1)}{path.name}/", "")
        elif path.is_dir():
            yield from _tree(path, depth + 1)
        else:
            yield _line(f"{'  ' * (depth + 1)}{path.name}", _about(path))


def _line(name: str, about: str) -> str:
    return f"{name:<28}  {about}".rstrip()


def _about(path: Path) -> str:
    """The first line of what a file says of itself: a docstring, a comment, or a guide's first paragraph."""
    if not path.exists():
        return ""
    text = path.read_text()
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    if path.suffix == ".md":
        return " ".join(text.split("\n\n")[1].split())
    return text.split("\n")[0].lstrip("-# ")


def _test_rooms() -> list[Path]:
    return sorted(folder for folder in (ROOT / "tests").iterdir() if (folder / "__init__.py").exists())


def _fenced(language: str, lines: list[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


if __name__ == "__main__":
    write()
