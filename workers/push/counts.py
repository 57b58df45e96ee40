"""What the senders of one worker count: plain numbers, read when somebody scrapes."""

from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class PushCounts(Collector):
    """By provider."""

    def __init__(self) -> None:
        self.tries: defaultdict[tuple[str, str], int] = defaultdict(int)  # provider, verdict or `silent`
        self.in_flight: dict[str, int] = {}
        self.open_breakers: dict[str, bool] = {}
        self.removed: defaultdict[str, int] = defaultdict(int)  # tokens
        self.held_back: defaultdict[str, int] = defaultdict(int)  # dead tokens that were not removed
        self.alarms: defaultdict[str, int] = defaultdict(int)  # more than 5 % of the tokens have died within 5 min
        self.misconfigured: defaultdict[str, int] = defaultdict(
            int
        )  # answers that only the operator can mend: an alarm

    def collect(self) -> Iterable[Metric]:
        """Called by a scrape."""
        tries = CounterMetricFamily(
            "hugmood_push_tries", "Tries of deliveries, by what came of them.", labels=("provider", "verdict")
        )
        for labels, count in self.tries.items():
            tries.add_metric(labels, count)
        flying = GaugeMetricFamily("hugmood_push_in_flight", "Tries under way.", labels=("provider",))
        for provider, number in self.in_flight.items():
            flying.add_metric((provider,), number)
        breakers = GaugeMetricFamily(
            "hugmood_push_breaker_open", "1 while nothing but probes is sent.", labels=("provider",)
        )
        for provider, is_open in self.open_breakers.items():
            breakers.add_metric((provider,), float(is_open))
        yield from (tries, flying, breakers)
        for name, text, counted in (
            ("hugmood_push_tokens_removed", "Tokens that a provider declared dead.", self.removed),
            ("hugmood_push_tokens_held_back", "Dead tokens kept, because too many died at once.", self.held_back),
            ("hugmood_push_token_alarms", "More than 5 % of the tokens have died within 5 min.", self.alarms),
            ("hugmood_push_misconfigured", "Answers that only the operator can mend.", self.misconfigured),
        ):
            family = CounterMetricFamily(name, text, labels=("provider",))
            for provider, number in counted.items():
                family.add_metric((provider,), number)
            yield family
