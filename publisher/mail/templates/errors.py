"""Words what went wrong in a template: the file and the line, and nothing that a variable holds (R36)."""

import re
from pathlib import Path

from jinja2.exceptions import SecurityError, TemplateNotFound, TemplateSyntaxError, UndefinedError

from publisher.mail.templates.budget import BudgetExceeded

_QUOTED = re.compile(r"'(\w+)'")


def worded(error: Exception, folder: Path, file: str) -> str:
    """Returns one line: where, and what.

    file: the one that was to be rendered; the error may be in one that it includes.
    """
    place, line = _place(error, folder, file)
    where = place if line is None else f"{place}, line {line}"
    return f"{where}: {_what(error, _source(folder / place))}{'' if place == file else f' (included by {file})'}"


def _place(error: Exception, folder: Path, file: str) -> tuple[str, int | None]:
    """Returns the file, and the line in it; None where no line is known, as of a template that stands in meta.toml."""
    if isinstance(error, TemplateSyntaxError):
        found = _relative(error.filename or "", folder)
        return (file, None) if found is None else (found, error.lineno)
    place, line = file, None
    trace = error.__traceback__
    while trace is not None:
        # Jinja puts a frame for each line of a template into the traceback.
        if "__jinja_exception__" in trace.tb_frame.f_globals:
            found = _relative(trace.tb_frame.f_code.co_filename, folder)
            place, line = (file, None) if found is None else (found, trace.tb_lineno)
        trace = trace.tb_next
    return place, line


def _relative(filename: str, folder: Path) -> str | None:
    path = Path(filename)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


def _source(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _what(error: Exception, source: str) -> str:
    if isinstance(error, TemplateSyntaxError):
        return " ".join((error.message or "it is no template").split())
    if isinstance(error, BudgetExceeded):
        return str(error)
    # The message may quote a variable's value, as the name of a member. A name in the source is no value.
    names = [name for name in _QUOTED.findall(str(error)) if re.search(rf"\b{name}\b", source)]
    name = f" {names[-1]!r}" if names else ""
    if isinstance(error, UndefinedError):
        return f"the variable or member{name} is not given"
    if isinstance(error, SecurityError):
        return f"access{f' to{name}' if name else ''} is refused: templates run in a sandbox"
    if isinstance(error, TemplateNotFound):
        return "it includes or extends a template that is not there"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror}"
    return f"it raises {type(error).__name__}"
