"""The Lua scripts of this folder, as the texts that Redis runs."""

from importlib.resources import files

# These compare entry ids: the functions of entry_ids.lua are put in front of them.
_COMPARING = {"gap", "trim"}


def script(name: str) -> str:
    """Returns the text of `<name>.lua`, with the functions it shares with others in front."""
    folder = files("publisher.streams")
    shared = folder.joinpath("entry_ids.lua").read_text() if name in _COMPARING else ""
    return shared + folder.joinpath(f"{name}.lua").read_text()
