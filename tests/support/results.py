"""Made-up results of load tests, to be drawn and printed."""

import math

from loadtest.results import Latency, Machine, Process, Result, Row, Sample

MACHINE = Machine(cores=2, memory_gib=23.4, kernel="6.18.5", cpu="AMD EPYC", python="3.11.2")


def latency(p50: float, p99: float, count: int = 100_000) -> Latency:
    """A made-up distribution through *p50* and *p99*."""
    slope = math.log(p99 / p50) / (2 - 0.301)

    def at(nines: float) -> float:
        return p50 * math.exp(slope * (nines - 0.301))

    curve = [(100 * (1 - 10**-nines), at(nines)) for nines in (step / 8 for step in range(8 * 5 + 1))]
    return Latency(count, p50, at(1.0), p99, at(3.0), at(5.2), [*curve, (100.0, at(5.2))])


def timeline(seconds: int = 30, sessions: int = 10_000) -> list[Sample]:
    """Some seconds of connecting and of warming up, *seconds* that are measured, and a few to settle."""
    samples: list[Sample] = []
    spans = (("open", 6), ("warm up", 4), ("run", seconds), ("settle", 2))
    phases = [phase for phase, count in spans for _ in range(count)]
    for index, phase in enumerate(phases):
        p99_ms = {"ok": 6 + math.sin(index), "delivery": 7 + math.cos(index)} if phase == "run" else {}
        is_driven = phase in {"warm up", "run"}
        rate = 5_000.0 * is_driven + 180 * math.sin(index) * is_driven
        open_now = min(sessions, sessions * (index + 1) // 6)
        samples.append(
            Sample(
                at=1.0 * (index + 1),
                phase=phase,
                sessions=open_now,
                rates={
                    "sent": rate,
                    "accepted": rate * 0.995,
                    "received": rate * 0.99,
                    "pings": rate / 100,
                    "refused": 0.0,
                },
                cores={
                    "hub": 0.2 + rate / 11_000,
                    "worker": 0.02,
                    "postgres": rate / 12_000,
                    "valkey": rate / 90_000,
                    "load": 0.1 + rate / 14_000,
                    "other": 0.05,
                },
                p99_ms=p99_ms,
                mib={
                    "hub": 150 + open_now * 0.0016,
                    "worker": 71.0,
                    "postgres": 96 + index * 0.4,
                    "valkey": 21.0,
                    "load": 180.0,
                },
            )
        )
    return samples


def result(**changes: object) -> Result:
    """A run of hugs in which all went well, with *changes*."""
    fields: dict[str, object] = {
        "scenario": "hugs",
        "title": "5 pairs of friends on two nodes hug 5,000 times a second",
        "started_at": "2026-01-05T20:15:00+00:00",
        "seconds": 30.02,
        "version": "0.1.0",
        "machine": MACHINE,
        "options": {"rate": 5000.0, "seconds": 30.0, "pairs": 5, "url": None, "up": True, "message": "well done"},
        "rows": [
            Row("ok_p99_ms", "ok p99", 6.21, "ms", 10.0, 5.0),
            Row("delivery_p99_ms", "delivery p99", 7.33, "ms", 20.0, 8.0),
            Row("hub_us", "hub CPU per hug", 22.4, "µs", 35.0, 20.0),
            Row("rate", "durable hugs", 4_998.2, "/s", more_is_better=True),
            Row("full", "durable hugs at full speed", 21_300.0, "/s", 15_000.0, 35_000.0, more_is_better=True),
        ],
        "counts": {"sent": 160_000, "accepted": 160_000, "received": 160_000},
        "latencies": {"late": latency(0.1, 0.42), "ok": latency(1.9, 6.21), "delivery": latency(2.4, 7.33)},
        "timeline": timeline(),
        "processes": [
            Process("hub", 4101, 7.21, 76_000, 84_100),
            Process("hub", 4102, 6.98, 75_800, 83_900),
            Process("worker", 4103, 0.31, 70_000, 71_200),
            Process("postgres", 4090, 12.4, 96_000, 131_000),
            Process("valkey", 4091, 1.7, 21_000, 21_400),
            Process("load", 4120, 10.2, 60_000, 92_000),
        ],
        "notes": ["this client sent up to 0.42 ms late (p99), which is counted in"],
        "problems": [],
    }
    return Result(**{**fields, **changes})  # type: ignore[arg-type]
