"""The two blocks of the README with the rights to paste. `python -m tests.readme_rights` writes them anew."""

import re
from pathlib import Path

from publisher.channels.registry import discover_channels
from publisher.settings.settings import Settings
from publisher.streams.rights import acl_rules
from storage.rights import grant_statements

README = Path(__file__).parent.parent / "README.md"
_WIDTH = 105
_REDIS = re.compile(r"redis-cli ACL SETUSER publisher .*?(?=```)", re.DOTALL)
_POSTGRESQL = re.compile(r"GRANT USAGE ON SCHEMA public TO publisher;.*?(?=```)", re.DOTALL)


def redis_block() -> str:
    """One command for a shell, for the streams as they are by default."""
    settings = Settings.from_environ({"DATABASE_URL": "postgres://a/b", "REDIS_URL": "redis://a"}, discover_channels())
    streams = {name: channel.stream for name, channel in settings.channels.items()}
    rules = acl_rules(intents=settings.intents_stream, group=settings.intents_group, streams=streams)
    lines = ["redis-cli ACL SETUSER publisher on"]
    for word in ("'>password'", *map(_quoted, rules)):
        if len(lines[-1]) + len(word) > _WIDTH:
            lines[-1] += " \\"
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines) + "\n"


def postgresql_block() -> str:
    """A statement a line."""
    return "\n".join(grant_statements("publisher")) + "\n"


def _quoted(rule: str) -> str:
    """As a shell takes it."""
    return f"'{rule}'" if set(rule) & set("*~|&>") else rule


if __name__ == "__main__":
    text = _REDIS.sub(lambda _: redis_block(), README.read_text())
    README.write_text(_POSTGRESQL.sub(lambda _: postgresql_block(), text))
