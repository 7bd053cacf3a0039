"""Every incident: how it is made, how long it is watched, and which alerts have to fire, and how soon."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from storage.gates import pause, resume
from tests.conftest import connected, run_sql, with_database
from tests.factories import intent_fields
from tests.faults.incidents.scene import DATABASE, EMAIL, INTENTS, Scene
from tests.named_streams import named_before
from tests.smtp_servers import Fault, Step
from tests.waiting import wait_until

HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident.

    about: what happens, in a few words.
    begin: makes it happen.
    fires: the alerts that must fire, each within so many seconds. Others may fire as well.
    environ: variables of the processes, beside those of every scene.
    fields: fields of the intents that are sent meanwhile.
    with_mailer: whether our own mail service runs.
    answers: whether the consumers answer what they read.
    """

    name: str
    about: str
    begin: Callable[[Scene], None]
    fires: Mapping[str, int]
    environ: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    with_mailer: bool = False
    answers: bool = False

    @property
    def watched(self) -> int:
        """How many seconds it is watched: until its last alert must have fired, and a little longer."""
        return max(self.fires.values(), default=360) + 20


def _killed(name: str) -> Callable[[Scene], None]:
    return lambda scene: scene.signal(name, signal.SIGKILL)


def _intake_cannot_commit(scene: Scene) -> None:
    """Somebody's transaction holds a lock on the table of notifications."""
    _locked(scene, "LOCK TABLE notifications IN SHARE MODE")


def _claims_wait(scene: Scene) -> None:
    """Routes wait, and then somebody's transaction holds a lock on their table."""
    pause(scene.database, "email", "operator", "a drill")
    due = "SELECT FROM routes WHERE channel = 'email' AND status = 'pending' OFFSET 20"
    wait_until(lambda: scene.database.rows(due), within=60)
    _locked(scene, "LOCK TABLE routes IN EXCLUSIVE MODE")
    resume(scene.database, "email")


def _locked(scene: Scene, statement: str) -> None:
    connection = scene.stack.enter_context(connected(with_database(scene.server_url, DATABASE)))
    connection.autocommit = False
    connection.cursor().execute(statement)


def _postgresql_refuses(scene: Scene) -> None:
    scene.stack.callback(run_sql, scene.server_url, f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
    run_sql(scene.server_url, f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
    run_sql(scene.server_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'")


def _stream_refuses(scene: Scene) -> None:
    scene.read.clear()
    with scene.redis.pipeline() as pipe:
        pipe.rename(EMAIL, "aside")
        pipe.set(EMAIL, "no stream")
        pipe.execute()


def _group_stops(scene: Scene) -> None:
    scene.read.remove(EMAIL)


def _redis_loses_data(scene: Scene) -> None:
    scene.redis.flushall()


def _intents_are_cut_off(scene: Scene) -> None:
    scene.signal("intake", signal.SIGSTOP)
    scene.send(*(intent_fields() for _ in range(50)))
    scene.redis.xtrim(INTENTS, maxlen=1, approximate=False)
    scene.signal("intake", signal.SIGCONT)


def _audit_waits(scene: Scene) -> None:
    _locked(scene, "SELECT FROM stream_audits FOR UPDATE")


def _producer_errs(scene: Scene) -> None:
    scene.send(*({"no": "intent"} for _ in range(3)))


def _addresses_are_missing(scene: Scene) -> None:
    scene.send(
        *(
            intent_fields(recipients_json=[{"user_id": "9", "email": "nobody"}], channels_json=["email"])
            for _ in range(3)
        )
    )


def _more_than_the_limit(scene: Scene) -> None:
    scene.send(*(intent_fields() for _ in range(1_000)))


def _channel_is_removed(scene: Scene) -> None:
    """Routes wait, and their channel is one that is not installed any more."""
    pause(scene.database, "email", "operator", "a drill")
    waiting = "SELECT FROM routes WHERE channel = 'email' AND status = 'pending'"
    wait_until(lambda: scene.database.rows(waiting), within=60)
    moved = "UPDATE routes SET channel = 'sms' WHERE channel = 'email' AND status = 'pending'"
    run_sql(with_database(scene.server_url, DATABASE), moved)
    resume(scene.database, "email")


def _reply_is_lost(scene: Scene) -> None:
    scene.smtp.once(Fault(Step.END, close=True))


def _mail_server_stops(scene: Scene) -> None:
    scene.smtp.refuse()


def _nobody_answers(scene: Scene) -> None:
    scene.answers = False


def _stream_is_given_up(scene: Scene) -> None:
    """Pushes wait on the stream that a deploy has renamed, and whose readers are gone."""
    scene.redis.xadd("gateway:events_before", {"n": 1})
    named_before(scene.redis, "gateway:events_before")


def _nothing(scene: Scene) -> None:
    """All stays well."""


DEMO_EMAIL = {
    "notification_type": "demo.turn.ready",
    "payload_json": {"game": "Chess", "opponent": "Ada", "turn": 17, "url": "https://example.com/games/17"},
}

INCIDENTS: tuple[Incident, ...] = (
    Incident(HEALTHY, "all is well, for six minutes", _nothing, {}, with_mailer=True, fields=DEMO_EMAIL),
    Incident("worker-gone", "the workers are killed", _killed("worker"), {"PublisherWorkersGone": 120}),
    Incident("clock-gone", "the clock is killed", _killed("clock"), {"PublisherNotObserved": 120}),
    Incident("intake-gone", "intake is killed", _killed("intake"), {"PublisherIntakeGone": 120}),
    Incident(
        "intake-stuck", "PostgreSQL lets nobody insert notifications", _intake_cannot_commit,
        {"PublisherIntakeStuck": 180},
    ),
    Incident(
        "routes-late", "workers run, and PostgreSQL lets nobody claim routes", _claims_wait,
        {"PublisherRoutesLate": 240},
    ),
    Incident(
        "postgresql-away", "PostgreSQL takes no connection", _postgresql_refuses, {"PublisherServerUnreadable": 120}
    ),
    Incident(
        "channel-removed", "routes wait for a channel that is not installed", _channel_is_removed,
        {"PublisherChannelNotInstalled": 120},
    ),
    Incident("stream-refuses", "the emails' stream refuses all", _stream_refuses, {"PublisherStreamRefuses": 120}),
    Incident(
        "group-stopped", "the emails' consumer asks for nothing more", _group_stops,
        {"PublisherCommandsNotRead": 180},
    ),
    Incident("redis-lost-data", "Redis loses all data", _redis_loses_data, {"PublisherRedisLostCommands": 120}),
    Incident("intents-lost", "intents are cut off unread", _intents_are_cut_off, {"PublisherIntentsLost": 120}),
    Incident("audit-overdue", "no audit can begin", _audit_waits, {"PublisherAuditOverdue": 240}),
    Incident(
        "malformed", "a producer sends what is no intent", _producer_errs, {"PublisherMalformedRising": 60}
    ),
    Incident(
        "dead-letters", "recipients have no address that mail can be sent to", _addresses_are_missing,
        {"PublisherDeadLettersRising": 60}, {"PUBLISHER_EMAIL_MAX_ATTEMPTS": "1"},
    ),
    Incident(
        "limit-saturated", "more comes than the rate limit lets through", _more_than_the_limit,
        {"PublisherLimitSaturated": 240}, {"PUBLISHER_EMAIL_RATE": "8/s"},
    ),
    Incident(
        "mail-stopped", "the SMTP server is away", _mail_server_stops, {"PublisherMailStopped": 120},
        fields=DEMO_EMAIL, with_mailer=True,
    ),
    Incident(
        "mail-held", "a reply of the SMTP server is lost, and such messages are held", _reply_is_lost,
        {"PublisherMailHeld": 120}, {"PUBLISHER_MAIL_UNSURE": "hold"}, fields=DEMO_EMAIL, with_mailer=True,
    ),
    Incident(
        "unanswered", "the consumers answer no more", _nobody_answers, {"PublisherUnanswered": 180},
        {"PUBLISHER_EMAIL_ANSWER_WITHIN": "20"}, answers=True,
    ),
    Incident(
        "stream-given-up", "commands wait on a stream that a deploy has renamed", _stream_is_given_up,
        {"PublisherStreamGivenUp": 180},
    ),
)  # fmt: skip
