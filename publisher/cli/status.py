"""`publisher status`."""

from contextlib import closing
from dataclasses import dataclass

from publisher.bootstrap import configure_logs, load_settings, open_client, open_patient_database
from publisher.cli.output import JsonFlag, print_json, print_record, print_table
from publisher.domain.notification import RouteStatus
from publisher.settings import Settings
from publisher.streams.inbound import GroupState, group_state
from publisher.streams.queues import QueueState, queue_states
from storage import overview
from storage.overview import Due


@dataclass(frozen=True, slots=True)
class _Snapshot:
    counts: overview.Counts
    due: dict[str, Due]
    malformed: int
    intents: GroupState
    queues: dict[str, QueueState]

    def of(self, channel: str) -> dict[str, object]:
        """Everything about one channel, by the names that --json prints."""
        due, queue = self.due.get(channel, Due()), self.queues.get(channel, QueueState())
        counts = {status.value: self.counts.get((channel, status), 0) for status in RouteStatus}
        return counts | {
            "due": due.count,
            "oldest_due_seconds": due.oldest and round(due.oldest.total_seconds(), 3),
            "queued": queue.ready,
            "delayed": queue.delayed,
            "dead_messages": queue.dead,
        }


def status(json: JsonFlag = False) -> None:
    """Say how many routes stand where, what is due, and what waits on the intents stream."""
    settings = load_settings()
    configure_logs(settings)
    snapshot = _take(settings)
    channels = sorted(set(settings.channels) | {channel for channel, _ in snapshot.counts})
    if json:
        print_json(
            {
                "channels": {channel: snapshot.of(channel) for channel in channels},
                "intents": {
                    "lag": snapshot.intents.lag,
                    "pending": snapshot.intents.pending,
                    "consumers": snapshot.intents.consumers,
                    "malformed": snapshot.malformed,
                },
            }
        )
        return
    statuses = [s.value for s in RouteStatus]
    print_table(
        "Routes",
        ["channel", *(s.removesuffix("_letter") for s in statuses), "due", "oldest due"],
        [
            [
                channel,
                *(snapshot.of(channel)[s] for s in statuses),
                snapshot.of(channel)["due"],
                snapshot.due.get(channel, Due()).oldest,
            ]
            for channel in channels
        ],
    )
    print_table(
        "Queues (hints alone)",
        ["queue", "ready", "delayed", "dead messages"],
        [[name, q.ready, q.delayed, q.dead] for name, q in snapshot.queues.items()],
    )
    print()
    print_record(
        {
            "intents waiting": snapshot.intents.lag,
            "intents pending": snapshot.intents.pending,
            "intake consumers": snapshot.intents.consumers,
            "malformed intents": snapshot.malformed,
        }
    )


def _take(settings: Settings) -> _Snapshot:
    with closing(open_patient_database(settings, "cli")) as database, open_client(settings, "cli") as client:
        return _Snapshot(
            overview.count_routes(database),
            overview.due_routes(database),
            overview.count_malformed(database),
            group_state(client, settings.intents_stream, settings.intents_group),
            queue_states(client, list(settings.channels)),
        )
