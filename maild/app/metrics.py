"""How maild is: the figures of /metrics and what keeps it from being ready."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from maild.app.readers import Readers
from maild.archive.database import Database
from maild.archive.index_writer import IndexWriter
from maild.delivery.deliveries import OPEN
from maild.delivery.queue.listing import delivery_counts
from maild.delivery.worker import Worker
from maild.intake.accept import Intake
from maild.intake.space import Space
from maild.policy.visible import OPERATOR
from maild.router.router import Router
from maild.rules.rulebook import Rulebook
from maild.screening.screen import Screen
from maild.smtp.server import Server


class Gauges(Collector):
    """Reads every figure at the moment it is asked for."""

    def __init__(
        self,
        *,
        database: Database,
        rulebook: Rulebook,
        router: Router,
        index: IndexWriter,
        intake: Intake,
        space: Space,
        readers: Readers,
        worker: Worker,
        screen: Screen | None = None,
    ) -> None:
        """Know the parts."""
        self._database = database
        self._rulebook = rulebook
        self._router = router
        self._index = index
        self._intake = intake
        self._space = space
        self._readers = readers
        self._screen = screen
        self._worker = worker
        self.servers: list[Server] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return generate_latest(self._registry)

    def unready(self) -> tuple[str, ...]:
        """Name what keeps maild from storing durably, or from serving the newest rules."""
        reasons = []
        if not self._database.writer.trusted:
            reasons.append("storage")
        if not self._space.has_room(None):
            reasons.append("space")
        if self._rulebook.refused:
            reasons.append("rules")
        return tuple(reasons)

    def collect(self) -> Iterator[Metric]:
        """Yield every figure."""
        yield _counter("maild_messages_accepted", "Messages answered with 250", self._intake.accepted_count)
        yield _counter(
            "maild_messages_not_stored", "Messages answered with 451 for our own fault", self._intake.failed_count
        )
        yield _counter("maild_recipients_refused", "Recipients refused at RCPT", self._intake.refused_count)
        yield _counter("maild_messages_filed", "Messages filed into inboxes", self._router.filed_count)
        yield _counter(
            "maild_messages_source_only", "Messages beyond the parser's limits", self._router.source_only_count
        )
        yield _gauge("maild_router_backlog", "Messages accepted and not yet filed", self._router.backlog)
        yield _gauge("maild_storage_trusted", "1 while commits are known to be durable", self._database.writer.trusted)
        yield _gauge(
            "maild_rules_current", "1 while the newest rules file is the one that serves", not self._rulebook.refused
        )
        yield _gauge(
            "maild_rules_kept",
            "1 while the rules that serve would also serve after a restart",
            not self._rulebook.unkept,
        )
        unread = self._readers.alarm(self._rulebook.current)
        yield _gauge("maild_orphan_teams", "Teams that mail comes to and nobody can read", len(unread))
        waiting = self._readers.waiting(self._rulebook.current)
        yield _gauge(
            "maild_waiting_teams", "Teams whose mail nobody sees until somebody is back or appointed", len(waiting)
        )
        yield _gauge(
            "maild_fallback_read",
            "1 while somebody can read the fallback",
            self._rulebook.current.fallback not in unread,
        )
        yield from self._deliveries()
        yield _gauge("maild_space_ok", "1 while there is room for new mail", self._space.has_room(None))
        if self._screen is not None:
            yield from _of_screen(self._screen)
        yield _gauge("maild_smtp_connections", "Peers connected", sum(s.connection_count for s in self.servers))

    def _deliveries(self) -> Iterator[Metric]:
        with self._database.read() as connection:
            counts = delivery_counts(connection, visible=OPERATOR)
        open_now = GaugeMetricFamily("maild_deliveries", "Deliveries that are not at their end", labels=["state"])
        for state in OPEN:
            open_now.add_metric([state], counts.get(state, 0))
        yield open_now
        yield _gauge("maild_deliveries_in_hand", "Loads being sent", self._worker.loads_in_hand)
        tries = CounterMetricFamily("maild_delivery_tries", "Tries, by the state they ended in", labels=["state"])
        for state, count in sorted(self._worker.counts.items()):
            tries.add_metric([state], count)
        yield tries


def _of_screen(screen: Screen) -> Iterator[Metric]:
    yield _counter("maild_screening_refused", "Mails refused as spam, virus or listed", screen.refused_count)
    yield _counter("maild_screening_deferred", "Mails asked to come again", screen.deferred_count)
    yield _counter("maild_screening_filed", "Mails accepted to lie in spam", screen.filed_count)
    yield _counter("maild_screening_unavailable", "Questions that nobody answered", screen.unavailable_count)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
