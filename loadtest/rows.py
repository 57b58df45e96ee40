"""Figures that several scenarios show, in the same words."""

from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.server.meter import KINDS
from loadtest.targets import Target

KIND_NAMES = {"hub": "hub", "worker": "worker", "postgres": "PostgreSQL", "valkey": "Valkey", "load": "this load's own"}


def bounded(key: str, name: str, value: float, unit: str, target: Target | None = None) -> Row:
    """A row with the bounds of *target*."""
    if target is None:
        return Row(key, name, value, unit)
    return Row(key, name, value, unit, target.must, target.aim, target.more_is_better)


PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}  # by their names in keys → as people write them


def latency_keys(*names: str) -> tuple[str, ...]:
    """Those of `latency_rows` for each of *names*."""
    return tuple(f"{name}_{percentile}_ms" for name in names for percentile in PERCENTILES)


def latency_rows(name: str, conductor: Conductor, p99: Target | None = None) -> list[Row]:
    """Three percentiles of what was recorded as *name*; *p99* has bounds."""
    latency = conductor.latency(name)
    return [
        bounded(key, f"{name} {said}", getattr(latency, percentile), "ms", p99 if percentile == "p99" else None)
        for key, (percentile, said) in zip(latency_keys(name), PERCENTILES.items(), strict=True)
    ]


def cpu_rows(
    conductor: Conductor, count: str, what: str, hub: Target | None = None, hub_key: str = "hub_cpu_us"
) -> list[Row]:
    """CPU µs per *what*, which was counted as *count*, for each kind of process that is known."""
    found: list[Row] = []
    for kind in KINDS:
        us = conductor.running.cpu_us(kind, count)
        if us is not None and kind != "worker":
            key, target = (hub_key, hub) if kind == "hub" else (f"{kind}_cpu_us", None)
            found.append(bounded(key, f"{KIND_NAMES[kind]} CPU per {what}", us, "µs", target))
    return found
