"""The Lua scripts of this folder, as the texts that Redis runs."""

from importlib.resources import files

# The file whose functions are put in front of a script.
_SHARED = {"gap": "entry_ids", "trim": "entry_ids", "append_once": "bucket", "hope": "bucket"}


def script(name: str) -> str:
    """Returns the text of `<name>.lua`, with the functions it shares with others in front."""
    folder = files("publisher.streams")
    shared = folder.joinpath(f"{_SHARED[name]}.lua").read_text() if name in _SHARED else ""
    return shared + folder.joinpath(f"{name}.lua").read_text()
