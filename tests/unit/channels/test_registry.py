"""Channels that installed packages add (R24)."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from publisher.channels import registry
from publisher.channels.email import EMAIL
from publisher.channels.push import PUSH
from publisher.domain.channel import Channel, Command
from publisher.domain.errors import SettingsError


def channel(name: str) -> Channel:
    """A third party's channel."""
    return Channel(name=name, stream=f"{name}:out", encode=lambda _notification, _route: Command(()))


def install(monkeypatch: pytest.MonkeyPatch, **objects: object) -> None:
    """Installs a package whose entry points, in this order, name these objects."""
    package = ModuleType("third_party")
    entries = []
    for name, value in objects.items():
        setattr(package, name, value)
        entries.append(EntryPoint(name, f"third_party:{name}", registry.ENTRY_POINT_GROUP))
    monkeypatch.setitem(sys.modules, "third_party", package)
    announce(monkeypatch, *entries)


def announce(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    """Makes these the only entry points, for who asks for the right group."""
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [e for e in entries if e.group == group])


def test_the_built_in_channels_are_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any package there are email and push (R24)."""
    announce(monkeypatch)

    assert registry.discover_channels() == {"email": EMAIL, "push": PUSH}


def test_an_installed_package_adds_its_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's channel stands beside the built-in ones, under its own name, in a stable order (R24)."""
    fax, sms = channel("fax-line"), channel("sms")
    install(monkeypatch, texting=sms, faxing=fax)

    channels = registry.discover_channels()

    assert list(channels.items()) == [("email", EMAIL), ("push", PUSH), ("fax-line", fax), ("sms", sms)]


def test_other_groups_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the entry point group `publisher.channels` is read (R24)."""
    announce(monkeypatch, EntryPoint("sms", "nowhere:SMS", "console_scripts"))

    assert set(registry.discover_channels()) == {"email", "push"}


@pytest.mark.parametrize(
    "value", ["no_such_package:SMS", "third_party:missing", "publisher.domain.channel:Missing.attribute"]
)
def test_a_channel_that_cannot_be_loaded_stops_the_process(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken package is a settings error that names the entry point, not a channel left out (R24)."""
    install(monkeypatch)
    announce(monkeypatch, EntryPoint("sms", value, registry.ENTRY_POINT_GROUP))

    with pytest.raises(SettingsError) as refused:
        registry.discover_channels()

    assert f"channel sms ({value}) cannot be loaded" in str(refused.value)


@pytest.mark.parametrize("value", [None, "sms", Channel, {"name": "sms"}], ids=["None", "text", "the class", "dict"])
def test_what_is_no_channel_stops_the_process(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point must name a Channel object (R24)."""
    install(monkeypatch, sms=value)

    with pytest.raises(SettingsError, match=r"channel sms \(third_party:sms\) is no publisher.domain.channel.Channel"):
        registry.discover_channels()


@pytest.mark.parametrize("name", ["email", "push"])
def test_a_built_in_name_cannot_be_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No package replaces email or push unseen (R24)."""
    install(monkeypatch, mine=channel(name))

    with pytest.raises(SettingsError, match=f"channel mine .* takes the name '{name}', in use"):
        registry.discover_channels()


def test_two_packages_cannot_share_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two channels gets the routes must not depend on the order of installation (R24)."""
    install(monkeypatch, mine=channel("sms"), theirs=channel("sms"))

    with pytest.raises(SettingsError, match=r"channel theirs .* takes the name 'sms', in use"):
        registry.discover_channels()
