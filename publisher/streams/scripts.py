"""The Lua scripts of this folder, as the texts that Redis runs."""

from importlib.resources import files

# The file whose functions are put in front of a script.
_SHARED = {"gap": "entry_ids", "trim": "entry_ids", "append_once": "bucket", "hope": "bucket"}


def script(name: str) -> str:
    """Returns the text of `<name>.lua`, with the functions it shares with others in front."""
    folder = files("publisher.streams")
    names = [_SHARED[name], name] if name in _SHARED else [name]
    # Whatever the locale of the process is.
    return "".join(folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in names)
