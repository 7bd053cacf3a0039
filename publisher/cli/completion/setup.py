"""Sets up completion for a shell: `publisher --install-completion [SHELL]` and `--show-completion [SHELL]`."""

from typing import Annotated, Any, NoReturn

import typer
from typer.completion import _get_shell_name, get_completion_script, install  # type: ignore[attr-defined]

from publisher.cli.completion.answers import VARIABLE
from publisher.domain.errors import BadRequest

SHELLS = ("bash", "zsh", "fish")
# zsh reads the script at the first Tab of a session, as the function of its file: without this that Tab does nothing.
_FIRST_TAB = 'if [ "$funcstack[1]" = "_publisher" ]; then _publisher_completion "$@"; fi\n'
# Where a context keeps the words behind `publisher`.
WORDS = "publisher.words"


def _install(context: typer.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        shell = _shell(context, "--install-completion")
        try:
            _, path = install(shell, "publisher", VARIABLE)
            path.write_text(_script(shell))
        except OSError as error:
            raise BadRequest(f"cannot write {error.filename!r}: {error.strerror}") from error
        except UnicodeError as error:
            raise BadRequest(
                f"the startup file of {shell} is not UTF-8: append the output of 'publisher --show-completion {shell}'"
            ) from error
        except RuntimeError as error:
            raise BadRequest(f"there is no folder to install completion in: set HOME ({error})") from error
        _done(f"{shell} reads {path} from its next start on.")


def _show(context: typer.Context, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        _done(_script(_shell(context, "--show-completion")).rstrip())


InstallFlag = Annotated[
    bool,
    typer.Option(
        "--install-completion",
        is_eager=True,
        callback=_install,
        help="Let the shell complete commands, channels and ids with Tab, and exit. A shell's name may follow.",
    ),
]
ShowFlag = Annotated[
    bool,
    typer.Option(
        "--show-completion",
        is_eager=True,
        callback=_show,
        help="Print the script that does so, and exit. A shell's name may follow.",
    ),
]


def _shell(context: typer.Context, option: str) -> str:
    """Returns the shell that is named behind the option, or else the one that runs this command."""
    words: Any = context.meta[WORDS]
    named = words[words.index(option) + 1 :]
    shell: str | None = named[0] if named else _get_shell_name()
    if shell not in SHELLS or len(named) > 1:
        found = f"{(' '.join(named) or shell)!r} is none of them" if shell else "which one runs this cannot be told"
        raise BadRequest(f"{option} needs the name of a shell, {', '.join(SHELLS[:-1])} or {SHELLS[-1]}: {found}")
    return shell


def _script(shell: str) -> str:
    script: str = get_completion_script(prog_name="publisher", complete_var=VARIABLE, shell=shell)
    return script + "\n" + (_FIRST_TAB if shell == "zsh" else "")


def _done(text: str) -> NoReturn:
    print(text)
    raise typer.Exit
