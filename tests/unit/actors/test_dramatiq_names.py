"""The names of Dramatiq's that the service relies on are looked at when it starts."""

from typing import Any

import dramatiq
import pytest
from dramatiq.brokers import redis as stock

from actors.dramatiq_names import _SCRIPT_LINES, check_dramatiq
from publisher.domain.errors import SettingsError


def test_the_installed_dramatiq_is_one_that_can_be_used() -> None:
    """Nothing is missing in the Dramatiq that the tests run with."""
    check_dramatiq()


@pytest.mark.parametrize("line", _SCRIPT_LINES)
def test_a_script_with_other_keys_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dramatiq that keeps its messages under other keys stops the process, with the line that is missing."""
    changed = stock._scripts["dispatch"].replace(line.encode(), b"-- gone")
    monkeypatch.setitem(stock._scripts, "dispatch", changed)

    with pytest.raises(SettingsError, match=r"dramatiq \d.* for want of") as error:
        check_dramatiq()

    assert line in str(error.value)


def test_a_script_that_searches_elsewhere_too_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dramatiq that runs KEYS where it cannot be switched off stops the process."""
    monkeypatch.setitem(stock._scripts, "dispatch", stock._scripts["dispatch"] + b'\nredis.call("keys", "*")\n')

    with pytest.raises(SettingsError, match="a script without KEYS"):
        check_dramatiq()


@pytest.mark.parametrize(
    ("owner", "name", "said"),
    [
        (stock, "_RedisConsumer", "_RedisConsumer"),
        (stock.RedisBroker, "_dispatch", r"RedisBroker\._dispatch"),
        (stock.RedisBroker, "__getattr__", r"RedisBroker\.__getattr__"),
        (stock._RedisConsumer, "outstanding_message_count", r"_RedisConsumer\.outstanding_message_count"),
        (stock._RedisConsumer, "requeue", r"_RedisConsumer\.requeue"),
    ],
)
def test_a_name_that_is_gone_is_said(owner: Any, name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dramatiq without a class or method that is built on stops the process, and says which."""
    monkeypatch.delattr(owner, name)

    with pytest.raises(SettingsError, match=said):
        check_dramatiq()


def test_a_worker_that_does_not_say_its_queues_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dramatiq whose workers do not say what they consume stops the process."""

    class Worker:
        def __init__(self, _broker: object) -> None:
            self.consumers: dict[str, object] = {}

    monkeypatch.setattr(dramatiq, "Worker", Worker)

    with pytest.raises(SettingsError, match=r"Worker\.consumer_whitelist"):
        check_dramatiq()
