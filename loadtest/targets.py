"""What the design asks of a hub: for each figure a bound that must be kept, and what we mean to reach.

The one place for these numbers: scenarios, `make bench` and the documents take them from here. Measured on two cores,
server and load together, over loopback.
"""

from msgspec import Struct

from loadtest.results import Row


class Target(Struct, frozen=True):
    """One figure. Bounds are upper ones, unless more is better.

    *is_cost*: CPU or memory for each operation, which says the same on a busy machine as on a quiet one; the others
    depend on the clock and are not compared between releases.
    """

    key: str
    words: str
    unit: str
    must: float
    aim: float
    more_is_better: bool = False
    is_cost: bool = False

    def row(self, value: float) -> Row:
        """*value* beside its bounds."""
        return Row(self.key, self.words, value, self.unit, self.must, self.aim, self.more_is_better)

    def spare(self, value: float, bound: float) -> float:
        """How much better than *bound* it is, as a share of the bound; below 0: how much is missing."""
        return (value - bound if self.more_is_better else bound - value) / bound


ROOM_BURST_CPU_US = Target(
    "room_burst_cpu_us", "room fan-out, 8 messages a tick: hub CPU of a delivery", "µs", 1.0, 0.55, is_cost=True
)
ROOM_SPACED_CPU_US = Target(
    "room_spaced_cpu_us", "room fan-out, spaced messages: hub CPU of a delivery", "µs", 6.5, 4.4, is_cost=True
)
UNICAST_CPU_US = Target("unicast_cpu_us", "ephemeral unicast over two hubs: CPU of both", "µs", 14.0, 8.0, is_cost=True)
HUG_HUB_CPU_US = Target("hug_cpu_us", "durable hug over two hubs: CPU of both", "µs", 35.0, 20.0, is_cost=True)
HUGS_PER_S = Target("hugs_per_s", "durable hugs, as fast as they go", "/s", 15_000.0, 35_000.0, more_is_better=True)
MOODS_PER_S = Target("moods_per_s", "moods through one worker", "/s", 10_000.0, 30_000.0, more_is_better=True)
PUSHES_PER_S = {
    provider: Target(
        f"{provider}_pushes_per_s", f"pushes through {name}, one worker", "/s", 1_000.0, 3_000.0, more_is_better=True
    )
    for provider, name in (("fcm", "FCM"), ("apns", "APNs"), ("webpush", "Web Push"))
}
OK_P99_MS = Target("ok_p99_ms", "ok for a hug, at 5,000/s, p99", "ms", 10.0, 5.0)
DELIVERY_P99_MS = Target("delivery_p99_ms", "delivery of a hug, two nodes, at 5,000/s, p99", "ms", 20.0, 8.0)
SESSION_KIB = Target("session_kib", "memory of an idle session", "KiB", 2.5, 1.6, is_cost=True)
OPENINGS_PER_CORE_S = Target(
    "openings_per_core_s", "openings per second of hub CPU", "/s", 3_000.0, 7_500.0, more_is_better=True, is_cost=True
)
STORM_S = Target("storm_s", "20,000 sessions back after a hub was killed", "s", 15.0, 5.0)
LIVE_SESSIONS = Target("live_sessions", "live sessions on one machine", "", 100_000.0, 1_000_000.0, more_is_better=True)
STOPPED_READER_KIB = Target("stopped_reader_kib", "memory of a stopped reader", "KiB", 256.0, 128.0, is_cost=True)
START_S = Target("start_s", "start of hugmood up, the second time", "s", 3.0, 1.5)
