"""Watches every hug: accepted ones arrive once and in order, refused ones never.

Invariant: nothing here knows the server. It sees what clients see, and is on in every run.
"""

from array import array
from collections.abc import Callable, Sequence

from msgspec import Struct

PROBLEMS_SHOWN = 10


class Verdict(Struct, frozen=True):
    """What became of all hugs. `problems` is empty when every promise was kept."""

    sent: int
    accepted: int
    refused: int
    received: int
    problems: list[str]


def _ignore(_seconds: float) -> None:
    pass


class Ledger:
    """One sender and one recipient. Hugs are numbered from 0 in the order they are sent; times are perf_counter."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.intended = array("d")
        self.accepted_at = array("d")  # 0: no answer yet; negative: refused
        self.received_at = array("d")  # 0: not yet
        self.accepted = 0
        self.refused = 0
        self.received = 0
        self.problems: list[str] = []
        self.on_ok: Callable[[float], None] = _ignore  # told the seconds since the intended time
        self.on_arrival: Callable[[float], None] = _ignore
        self._last_index = -1
        self._last_seq: int | None = None

    def sent(self, intended: float) -> int:
        """A hug is on its way; returns its number."""
        self.intended.append(intended)
        self.accepted_at.append(0.0)
        self.received_at.append(0.0)
        return len(self.intended) - 1

    def ok(self, index: int, now: float) -> None:
        """`ok` for hug *index*."""
        if self.accepted_at[index]:
            self._problem(f"hug {index} was answered twice")
        self.accepted_at[index] = now
        self.accepted += 1
        self.on_ok(now - self.intended[index])

    def error(self, index: int, code: str) -> None:
        """`error` for hug *index*."""
        if self.accepted_at[index]:
            self._problem(f"hug {index} was answered twice")
        self.accepted_at[index] = -1.0
        self.refused += 1
        self._problem(f"hug {index} was refused: {code}")

    def passed(self, seq: int) -> None:
        """The recipient read another durable event, which is no hug of ours."""
        if self._last_seq is not None and seq != self._last_seq + 1:
            self._problem(f"seq {seq} came after {self._last_seq}")
        self._last_seq = seq

    def arrived(self, seq: int, index: int, now: float) -> None:
        """The recipient read hug *index* as its event *seq*."""
        self.passed(seq)
        if not 0 <= index < len(self.received_at):
            self._problem(f"a hug that was never sent came: {index}")
            return
        if self.received_at[index]:
            self._problem(f"hug {index} came twice")
            return
        if index <= self._last_index:
            self._problem(f"hug {index} came after {self._last_index}")
        self._last_index = index
        self.received_at[index] = now
        self.received += 1
        self.on_arrival(now - self.intended[index])

    def is_settled(self) -> bool:
        """Every hug has its answer, and every accepted one has arrived."""
        return self.accepted + self.refused == len(self.intended) and self.received >= self.accepted

    def outstanding(self) -> int:
        """Hugs without an answer."""
        return len(self.intended) - self.accepted - self.refused

    def _problem(self, text: str) -> None:
        self.problems.append(f"{self.name}: {text}")

    def close(self) -> None:
        """The run is over: what is missing now is lost."""
        for index, (accepted_at, received_at) in enumerate(zip(self.accepted_at, self.received_at, strict=True)):
            if accepted_at > 0 and not received_at:
                self._problem(f"hug {index} was accepted and never came")
            elif accepted_at < 0 and received_at:
                self._problem(f"hug {index} was refused and came")
            elif not accepted_at:
                self._problem(f"hug {index} was never answered")


def judge(ledgers: Sequence[Ledger]) -> Verdict:
    """The verdict over closed ledgers."""
    return Verdict(
        sent=sum(len(ledger.intended) for ledger in ledgers),
        accepted=sum(ledger.accepted for ledger in ledgers),
        refused=sum(ledger.refused for ledger in ledgers),
        received=sum(ledger.received for ledger in ledgers),
        problems=[problem for ledger in ledgers for problem in ledger.problems],
    )


def percentiles(values: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """The *wanted* percentiles (0–100) of *values*, by nearest rank; zeros if there are none."""
    if not values:
        return [0.0] * len(wanted)
    ordered = sorted(values)
    return [ordered[min(len(ordered) - 1, int(len(ordered) * each / 100))] for each in wanted]
