"""The page Channels: what it shows of each, and pausing, resuming and limiting one from it (R30, R34)."""

import socket

import pytest
from starlette.testclient import TestClient

from publisher.operations.channels.channels import pause, read_gate
from publisher.operations.channels.limits import channel_limits
from storage.actions import ActionFilter, list_actions
from storage.database import Database
from tests.integration.web.conftest import Serve


def test_each_channel_is_shown_with_its_state_its_limit_and_what_may_be_done(
    page: TestClient, database: Database
) -> None:
    """A paused channel says by whom and why; each button stands beside the command line that it equals."""
    pause(database, "email", "ann", "the mail server moves to ops@example.com")
    text = page.get("/channels").text
    assert "Paused by ann" in text
    assert "moves to o***@example.com" in text
    assert "publisher channels resume email" in text
    assert "publisher channels pause push --reason …" in text
    assert "No rate limit." in text
    assert "no group reads" in text


def test_a_channel_is_paused_and_resumed_from_the_page(
    operator: TestClient, database: Database, woken: list[str]
) -> None:
    """Each change is the terminal's, on record under the visitor's name; its workers are woken once it goes on."""
    paused = operator.post("/channels/email/pause", data={"reason": "server moves"})
    assert (paused.status_code, paused.headers["location"]) == (303, "/channels?gate=email")
    assert "email is paused." in operator.get("/channels?gate=email").text
    assert (read_gate(database, "email").pause_reason, woken) == ("server moves", [])
    assert operator.post("/channels/email/resume").status_code == 303
    assert (read_gate(database, "email").state.value, woken) == ("open", ["email"])
    done = list_actions(database, ActionFilter(), limit=10)
    assert [(each.action, each.by, each.done) for each in done] == [
        ("resume-channel", "bearer token", 1),
        ("pause-channel", "bearer token", 1),
    ]


def test_a_limit_is_set_and_given_back_to_the_settings(page: TestClient, database: Database, woken: list[str]) -> None:
    """A rate and a burst as the terminal takes them; then the settings' own again."""
    page.post("/channels/email/limit", data={"rate": "14/s", "burst": "28"})
    assert "email is limited to 14/s burst 28, set by tester." in page.get("/channels?limit=email").text
    page.post("/channels/email/limit", data={"to": "default"})
    assert (channel_limits(database, {}), woken) == ({}, ["email", "email"])


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("email/limit", {"rate": "fast<b>", "burst": "3"}, "the rate &#39;fast&lt;b&gt;&#39; must be a number"),
        ("email/limit", {"rate": "14/s", "burst": "many"}, "the burst &#39;many&#39; must be a number"),
        ("email/pause", {"reason": " "}, "say why email is to be paused"),
        ("email/resume", {}, "email is open: there is nothing to resume"),
        ("pigeon/pause", {"reason": "x"}, "no channel &#39;pigeon&#39;"),
    ],
)
def test_what_cannot_be_done_is_said_on_the_page_and_nothing_typed_is_lost(
    page: TestClient, path: str, form: dict[str, str], said: str
) -> None:
    """The page comes again with the reason, and with what was typed."""
    answer = page.post(f"/channels/{path}", data=form)
    assert answer.status_code == 400
    assert said in answer.text
    if "rate" in form:
        assert (
            f'name="rate" required maxlength="40" value="{form["rate"].replace("<", "&lt;").replace(">", "&gt;")}"'
            in answer.text
        )


def test_who_may_only_read_sees_why_the_buttons_do_nothing(reader: TestClient) -> None:
    """Each button is disabled, and says why."""
    text = reader.get("/channels").text
    assert "Your token lets you read. To change something, log in with the operate token." in text
    assert text.count("<button") - text.count("disabled title=") == 2  # Find, and Log out


def test_without_redis_the_channels_stand_and_their_readers_are_said_to_be_unread(serve: Serve) -> None:
    """The state and the limit are PostgreSQL's, and are shown."""
    page = serve({"REDIS_URL": "redis://127.0.0.1:1/0"})
    text = page.get("/channels").text
    assert "Who reads the commands could not be read" in text
    assert "publisher channels pause email" in text


def test_a_redis_that_hangs_hides_its_own_channel_alone(serve: Serve) -> None:
    """The page names the server, and shows who reads the commands of the other channels (R35, R37)."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = serve({"PUBLISHER_EMAIL_REDIS_URL": f"redis://127.0.0.1:{port}/0"}).get("/channels").text

    assert "email: who reads mail:delivery_commands could not be read: Redis is not available" in text
    assert f"0.6 s (127.0.0.1:{port}" in text
    assert "push: no group reads gateway:client_events" in text
