"""What a person sees while a run goes on: one line that is rewritten on a terminal, a line now and then otherwise."""

import shutil
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from loadtest.histogram import Histogram
from loadtest.results import Sample
from loadtest.scenario import LATE

PLAIN_EVERY_S = 5.0
SERVER_KINDS = ("hub", "postgres", "valkey", "worker")
RATES_SHOWN = 3
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Told by the conductor; writes to *out* (standard error: what is piped on stays clean)."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._phase = "start"
        self._began = time.monotonic()
        self._seconds = 0.0
        self._shown = 0.0
        self._is_line_open = False

    def say(self, line: str) -> None:
        """A line that stays."""
        self.clear()
        print(line, file=self._out, flush=True)

    def begin(self, phase: str, seconds: float) -> None:
        """A phase; *seconds*: how long it means to last, 0 if nobody knows."""
        self._phase, self._seconds, self._began, self._shown = phase, seconds, time.monotonic(), 0.0

    def show(self, sample: Sample, histograms: Mapping[str, Histogram]) -> None:
        """How it stands."""
        now = time.monotonic()
        if not self._is_terminal and now - self._shown < PLAIN_EVERY_S:
            return
        self._shown = now
        line = describe(sample, histograms, self._phase, now - self._began, self._seconds)
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
            self._out.write(_CLEAR_LINE + line[: width - 1])
            self._is_line_open = True
        else:
            self._out.write(line + "\n")
        self._out.flush()

    def clear(self) -> None:
        """Nothing of the rewritten line stays."""
        if self._is_line_open:
            self._out.write(_CLEAR_LINE)
            self._out.flush()
            self._is_line_open = False


def describe(sample: Sample, histograms: Mapping[str, Histogram], phase: str, elapsed_s: float, seconds: float) -> str:
    """One line: the phase, sessions, the highest rates, the server's cores, p99 so far."""
    of = f"/{seconds:.0f}" if seconds else ""
    parts = [f"{phase} {elapsed_s:.0f}{of} s", f"{sample.sessions:,} sessions"]
    busiest = sorted(sample.rates.items(), key=lambda each: -each[1])[:RATES_SHOWN]
    parts += [f"{name} {rate:,.0f}/s" for name, rate in busiest if rate]
    cores = [f"{kind} {sample.cores[kind]:.2f}" for kind in (*SERVER_KINDS, "load") if kind in sample.cores]
    if cores:
        parts.append("cores: " + " ".join(cores))
    p99 = [f"{name} {each.percentiles_ms([99.0])[0]:.1f}" for name, each in histograms.items() if name != LATE]
    if p99:
        parts.append("p99 ms: " + " ".join(p99))
    return "  ".join(parts)
