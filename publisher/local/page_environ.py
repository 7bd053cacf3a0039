"""Decides on which port `publisher up` and `publisher demo` serve the page."""

from collections.abc import Mapping
from pathlib import Path

from publisher.local.ports import choose_port
from publisher.settings.types import without_blanks
from publisher.settings.web import PORT

_VARIABLE = "PUBLISHER_WEB_PORT"
# Nobody is told where a demo's page is. It is for this machine alone, whatever the environment says of a deployment's.
OF_DEMO = {"PUBLISHER_WEB_HOST": "127.0.0.1", _VARIABLE: "0"}


def page_environ(environ: Mapping[str, str], folder: Path | None) -> dict[str, str]:
    """Returns the variable with the page's port; nothing if the environment says which port it has to be.

    The port is that of the last start in the folder, or 8000, or another one where other programs listen on these.
    folder: where the port is noted; None: it is not noted.
    Raises EmbeddedUnavailable if no port is free.
    """
    said = without_blanks(environ)
    if said.get(_VARIABLE, said.get("PORT", "0")) != "0":
        return {}
    # 0 asks for any free port: it is chosen here, so that `publisher up` can show it.
    preferred = None if _VARIABLE in said else PORT
    return {_VARIABLE: str(choose_port(preferred, None if folder is None else folder / "page" / "port"))}
