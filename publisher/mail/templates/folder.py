"""Lists the folder of the templates: `<template id>/<locale>/subject.txt`, `text.txt` and `html.html`."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from publisher.domain.errors import SettingsError

SUBJECT, TEXT, HTML, META, SAMPLE = "subject.txt", "text.txt", "html.html", "meta.toml", "sample.json"
_LAST_RESORT = "en"
# Templates lie two levels deep, and what they include a little deeper. A symbolic link may lead in a circle.
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class TemplateFolder:
    """What stood in the folder when it was listed.

    files: path from the folder, with `/` -> time of its last change in nanoseconds, and size.
    locales: template id -> locale in lower case -> the name of its folder.
    """

    path: Path
    files: Mapping[str, tuple[int, int]]
    locales: Mapping[str, Mapping[str, str]]

    def folder_of(self, template_id: str, locale: str) -> str | None:
        """Returns the name of the folder for this locale: `de-AT`, else `de`, else `en`; None if there is none of them.

        Case does not count, and `_` is read as `-`.
        """
        there_are = self.locales.get(template_id, {})
        return next((there_are[each] for each in fallbacks(locale) if each in there_are), None)


def list_folder(path: Path) -> TemplateFolder:
    """Lists the folder. Hidden files are left out, and symbolic links are followed. Raises SettingsError."""
    try:
        files = dict(_files(path, "", 0))
    except OSError as error:
        raise SettingsError(f"cannot read the templates in {str(path)!r}: {error.strerror}") from error
    locales: dict[str, dict[str, str]] = {}
    for file in sorted(files):
        parts = file.split("/")
        if len(parts) == 3 and parts[2] in {SUBJECT, TEXT, HTML}:
            locales.setdefault(parts[0], {})[_tag(parts[1])] = parts[1]
    return TemplateFolder(path, files, locales)


def fallbacks(locale: str) -> list[str]:
    """Returns the locales that are tried for this one, in lower case: `de-at`, `de`, `en`."""
    parts = _tag(locale).split("-")
    tried = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [*(each for each in tried if each and each != _LAST_RESORT), _LAST_RESORT]


def _tag(locale: str) -> str:
    return locale.strip().lower().replace("_", "-")


def _files(folder: Path, place: str, depth: int) -> Iterator[tuple[str, tuple[int, int]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if depth < _DEEPEST:
                    yield from _files(Path(entry.path), f"{place}{entry.name}/", depth + 1)
            elif entry.is_file():
                status = entry.stat()
                yield f"{place}{entry.name}", (status.st_mtime_ns, status.st_size)
