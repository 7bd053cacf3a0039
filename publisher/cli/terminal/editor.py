"""Opens a text in the operator's editor, and keeps the edited file unless its text was used."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.cli.terminal.output import printable
from publisher.domain.errors import BadRequest, PublisherError
from publisher.process.temporary import temporary_folder


@contextmanager
def edited(text: str, *, name: str, instead: str) -> Iterator[str]:
    """Opens the text in $VISUAL or $EDITOR, and yields it as it was saved.

    An error in the block leaves the file in place, and the user is told its name; otherwise the file is removed. Only
    the user may read it.

    name: the beginning of the file's name. instead: what to do without an editor.
    Raises BadRequest if no editor is set, if it fails, or if nothing was changed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise BadRequest(f"neither VISUAL nor EDITOR is set: set one, such as EDITOR=nano, {instead}")
    handle, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".json", dir=temporary_folder())
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    try:
        _run(editor, path)
        yield _changed(path, text)
    except PublisherError as error:
        if not Path(path).exists():
            raise
        raise type(error)(f"{error}; what was edited is kept: go on with --file {shlex.quote(path)}") from error
    except (Exception, KeyboardInterrupt):
        print(f"publisher: what was edited is kept: go on with --file {printable(shlex.quote(path))}", file=sys.stderr)
        raise
    Path(path).unlink(missing_ok=True)


def _run(editor: str, path: str) -> None:
    # Ctrl-C is meant for the editor. It inherits no handler of this process; it would inherit SIG_IGN.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = subprocess.run([*shlex.split(editor), path], check=False).returncode
    except (OSError, ValueError) as error:
        Path(path).unlink(missing_ok=True)
        raise BadRequest(f"cannot start the editor {editor!r}: {error}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise BadRequest(f"the editor {editor!r} ended with code {code}")


def _changed(path: str, text: str) -> str:
    saved = _read(path)
    if saved.strip() in ("", text.strip()):
        Path(path).unlink()
        raise BadRequest("nothing was changed, nothing is sent: to send it as it is say --unchanged")
    return saved


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"what was edited is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise BadRequest(f"cannot read {path!r}: {error.strerror}") from error
