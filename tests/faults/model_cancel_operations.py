"""Operations that cancel in the model test, of an operator and of producers: each done to the service and the model."""

from collections.abc import Sequence

from publisher.domain.cancellation import Cancellation
from publisher.domain.notification import notification_id_of
from storage.cancelling.cancellations import IncomingCancellation, cancel_intents
from storage.cancelling.cancelling import CancelFilter, bounds_of_now, mark_for_cancelling, reopen_for_cancelling
from tests.faults.model_comparison import same
from tests.faults.model_intents import KINDS
from tests.faults.model_worker_operations import WorkerOperations, operation


class CancelOperations(WorkerOperations):
    """What cancels routes. Those that nobody decorated are made of others."""

    def operator_cancels(self, picks: Sequence[int]) -> None:
        """Some routes, of which not all can be cancelled."""
        self.cancel(self._picked(sorted(self.keys), picks))

    @operation
    def cancel(self, delivery_ids: Sequence[str]) -> None:
        for delivery_id in delivery_ids:
            notification_id, _, route_id = delivery_id.partition("/")
            until, up_to = bounds_of_now(self.database, None)
            matching = CancelFilter(until=until, up_to=up_to, notification_id=notification_id, route_id=route_id)
            channel = self.model.routes[delivery_id].channel
            is_dead = self.model.routes[delivery_id].status == "dead_letter"
            cancel = reopen_for_cancelling if is_dead else mark_for_cancelling
            got = cancel(self.database, channel, matching, "model", after=None, limit=10)
            expected = self.model.cancel(delivery_id)
            same(got.count, int(expected))
            is_open = expected and self.model.routes[delivery_id].due is not None
            same(list(got.open), [self.keys[delivery_id]] if is_open else [])
            self.environment.results["marked" if is_open else "cancelled at once" if expected else "not cancelled"] += 1

    @operation
    def producer_cancels(self, kind: str, number: int) -> None:
        key = f"{kind} {number}"
        notification_id = notification_id_of("model", key)
        self.entries += 1
        asked = IncomingCancellation(f"{self.entries}-9", (), Cancellation("model", key, None, None))
        got = cancel_intents(self.database, [asked])
        is_new = self.model.cancel_intent(notification_id, is_accepted=notification_id in self.model.contents)
        same((len(got.new), len(got.known)), (int(is_new), int(not is_new)))
        self.environment.results["cancellation" if is_new else "cancellation repeated"] += 1

    def producer_takes_one_back(self, picks: Sequence[int]) -> None:
        """An intent that was accepted, most often one that is new."""
        accepted = [key for key in self._keys() if notification_id_of("model", key) in self.model.contents]
        for key in self._picked(accepted, picks)[:1]:
            kind, _, number = key.rpartition(" ")
            self.producer_cancels(kind, int(number))

    def cancellation_overtakes_a_worker(self, channel: str, picks: Sequence[int], where: str) -> None:
        """A worker is cancelled under its hands before its append, before its completion, or as its attempt fails.

        Then it sleeps beyond its lease, and appends and completes what others have ended meanwhile.
        """
        self.claim_due(channel, 6)
        if not self.claims:
            return
        if where == "appended":
            self.append(0)
        self.cancel(sorted(claimed.route.delivery_id for claimed in self.claims[-1].routes))
        self.producer_takes_one_back(picks)
        if where == "failed":
            self.fail(0)
        self.lease_expires(0)
        self.deadlines_end(channel)
        self.append_and_complete(0)

    def _keys(self) -> list[str]:
        return [f"{kind} {number}" for kind in sorted(KINDS) for number in range(8)]

    def lease_expires(self, back: int) -> None:
        """See `Operations`."""
        raise NotImplementedError

    def deadlines_end(self, channel: str) -> None:
        """See `Operations`."""
        raise NotImplementedError
