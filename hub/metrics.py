"""What operators see of a node, read from plain counters when they ask for it."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.admission import Admission
from hub.connection import ConnectionCounts
from hub.counters import Histogram
from hub.delivery import Delivery
from hub.dispatch import Dispatch
from hub.mailbox_reader import MailboxReader
from hub.node import Node
from hub.opening import Openings
from hub.registrar import Registrar
from hub.rooms import Rooms
from hub.sweep import Sweep
from hub.tasks import Tasks
from storage.doorbell import Listener


class Sources(Struct, frozen=True):
    """Everything that counts."""

    admission: Admission
    connections: ConnectionCounts
    dispatch: Dispatch
    node: Node
    openings: Openings
    reader: MailboxReader
    registrar: Registrar
    delivery: Delivery
    rooms: Rooms
    listener: Listener
    sweep: Sweep
    tasks: Tasks
    batch_sizes: Histogram
    batch_seconds: Histogram
    ring_seconds: Histogram


class HubCollector(Collector):
    """Turns the counters of `Sources` into metric families."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """prometheus_client: one family after the other."""
        s = self._sources
        yield from self._gauges()
        yield from self._counters()
        yield self._labelled("hugmood_commands", "Commands by type and result.", ("type", "result"), s.dispatch.results)
        counts = s.openings.counts
        openings = {(name,): getattr(counts, name) for name in counts.__struct_fields__}
        yield self._labelled("hugmood_openings", "Sessions opened, by how they resumed.", ("result",), openings)
        yield _histogram("hugmood_commit_batch_size", "Hugs in one commit.", s.batch_sizes)
        yield _histogram("hugmood_commit_seconds", "Duration of one commit.", s.batch_seconds)
        yield _histogram("hugmood_ring_seconds", "A ring's way through Redis, seen by the self-probe.", s.ring_seconds)

    def _gauges(self) -> Iterator[Metric]:
        s = self._sources
        kinds = [guest.kind for guest in s.admission.guests]
        gauges = (
            ("hugmood_connections", "Open WebSocket connections.", len(s.admission.connections)),
            ("hugmood_streams", "Open streams of server-sent events.", kinds.count("stream")),
            ("hugmood_polls", "Long polls that wait.", kinds.count("poll")),
            ("hugmood_users", "Users with a session on this node.", len(s.node.seats)),
            ("hugmood_rooms", "Group hugs with a member on this node.", len(s.rooms.rooms)),
            ("hugmood_sessions_behind", "Sessions that are being read on from the mailbox.", len(s.node.behind)),
            ("hugmood_tasks", "Commands and background work under way.", len(s.tasks)),
            ("hugmood_event_loop_lag_seconds", "How late the last sweep began.", s.sweep.lag_s),
            ("hugmood_doorbell_hearing", "1 while both links to Redis are connected.", int(s.listener.is_hearing)),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)

    def _counters(self) -> Iterator[Metric]:
        s = self._sources
        counters = (
            ("hugmood_connections_opened", "WebSocket handshakes accepted.", s.connections.opened),
            ("hugmood_connections_closed", "WebSocket connections ended.", s.connections.closed),
            ("hugmood_messages_received", "Client messages.", s.connections.messages_in),
            ("hugmood_bytes_received", "Bytes from clients.", s.connections.bytes_in),
            ("hugmood_bytes_sent", "Bytes to clients.", s.connections.bytes_out),
            ("hugmood_writes", "Writes to sockets: frames of one tick share one.", s.connections.writes),
            ("hugmood_slow_readers", "Times a client's write buffer was full.", s.connections.slow),
            ("hugmood_events_delivered", "Durable events written as they were rung.", s.node.delivered),
            ("hugmood_mailbox_reads", "Queries that read on from the mailbox.", s.reader.reads),
            ("hugmood_mailbox_events", "Durable events written from the mailbox: gaps, resumes.", s.reader.events),
            ("hugmood_cursors_compared", "Users whose cursor was compared with the mailbox.", s.registrar.compared),
            ("hugmood_cursors_short", "Comparisons that found an event nobody had rung.", s.registrar.found_short),
            ("hugmood_unrouted_events", "Events not rung because Redis was away.", s.delivery.unrouted),
            ("hugmood_squeezes", "Squeezes by members on this node.", s.rooms.squeezed),
            ("hugmood_pulses", "Pulses told in rooms of this node, each to all its members here.", s.rooms.pulses),
            ("hugmood_task_failures", "Background tasks that failed.", s.tasks.failed),
        )
        for name, text, value in counters:
            yield CounterMetricFamily(name, text, value=value)

    @staticmethod
    def _labelled(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
        family = CounterMetricFamily(name, text, labels=labels)
        for key, value in sorted(values.items()):
            family.add_metric(key, value)
        return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=histogram.cumulative(), sum_value=histogram.total)
