"""What workers count: plain numbers, read when somebody scrapes."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Result = Literal["done", "retried", "dead"]
MoodResult = Literal["saved", "again", "rejected", "dead"]


class JobCounts(Collector):
    """Jobs by queue, name and result, and the time spent on them."""

    def __init__(self) -> None:
        self.jobs: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.depths: dict[str, int] = {}  # queue → jobs waiting or running, in all workers
        self.moods: defaultdict[MoodResult, int] = defaultdict(int)
        self.moods_waiting: int | None = None  # in the streams of all shards; None: nobody has looked
        self.restarts = 0  # of the loop around ARQ, each after an error of Redis

    def add(self, queue: str, job: str, result: Result, seconds: float) -> None:
        """One try has ended."""
        self.jobs[queue, job, result] += 1
        self.seconds[queue, job] += seconds

    def collect(self) -> Iterable[Metric]:
        """Called by a scrape."""
        jobs = CounterMetricFamily("hugmood_jobs", "Tries of jobs that ended.", labels=("queue", "job", "result"))
        for labels, count in self.jobs.items():
            jobs.add_metric(labels, count)
        seconds = CounterMetricFamily("hugmood_job_seconds", "Time spent on jobs.", labels=("queue", "job"))
        for pair, spent in self.seconds.items():
            seconds.add_metric(pair, spent)
        depths = GaugeMetricFamily("hugmood_queue_depth", "Jobs waiting or running.", labels=("queue",))
        for queue, depth in self.depths.items():
            depths.add_metric((queue,), depth)
        restarts = CounterMetricFamily("hugmood_worker_loop_restarts", "Times the loop around ARQ was begun anew.")
        restarts.add_metric((), self.restarts)
        moods = CounterMetricFamily(
            "hugmood_moods", "Moods that were saved, known already, rejected or given up.", labels=("result",)
        )
        for result, count in self.moods.items():
            moods.add_metric((result,), count)
        waiting = GaugeMetricFamily("hugmood_moods_waiting", "Moods in Redis that are not in PostgreSQL yet.")
        if self.moods_waiting is not None:
            waiting.add_metric((), self.moods_waiting)
        return jobs, seconds, depths, restarts, moods, waiting
