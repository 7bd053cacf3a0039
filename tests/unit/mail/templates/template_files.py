"""Templates for tests, written as files."""

from datetime import timedelta
from pathlib import Path

from publisher.mail.messages.faults import TemplateFault
from publisher.mail.messages.message import Letter
from publisher.mail.templates.templates import Templates

DELIVERY = "b4c2f4f0-6a5e-5d0e-8f43-2f1f6f1f0a11/email:user:7"


def write(folder: Path, files: dict[str, str]) -> Path:
    """Writes the files, whose names are paths from the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def template(text: str = "Hello", **others: str) -> dict[str, str]:
    """The files of the template `a.b` in English. others: `html`, `subject`, `meta`."""
    files = {"a.b/en/subject.txt": others.get("subject", "Hi"), "a.b/en/text.txt": text}
    if "html" in others:
        files["a.b/en/html.html"] = others["html"]
    if "meta" in others:
        files["a.b/meta.toml"] = others["meta"]
    return files


def rendered(folder: Path, locale: str = "en", **variables: object) -> Letter | TemplateFault:
    """What `a.b` makes of these variables."""
    return Templates(folder, timedelta(0)).letter("a.b", locale, variables, DELIVERY)


def letter(folder: Path, **variables: object) -> Letter:
    """The letter that `a.b` makes."""
    made = rendered(folder, **variables)
    assert isinstance(made, Letter), made
    return made


def fault(folder: Path, **variables: object) -> str:
    """The message of the fault that `a.b` makes."""
    made = rendered(folder, **variables)
    assert isinstance(made, TemplateFault), made
    assert made.fault == "content"
    assert made.message.isprintable()
    return made.message
