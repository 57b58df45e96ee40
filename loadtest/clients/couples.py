"""Pairs of friends on devices that come back: what one sends the other gets, once and in order, whatever happens in between."""

from collections.abc import Sequence
from functools import partial

from loadtest.clients.abreast import settled
from loadtest.clients.checker import Ledger
from loadtest.clients.people import Person
from loadtest.clients.returning import BACK, Attendance, ReturningRecipient, ReturningSender
from loadtest.scenario import Load, Orders

MESSAGE = "well done, and much more than that: you did it again!"
QUIET_S = 30.0  # without progress, after which nothing more is expected: a backoff has up to 20 s
OK, DELIVERY = "ok", "delivery"  # histograms


class Couple:
    """One sends, the other receives."""

    def __init__(
        self,
        load: Load,
        people: tuple[Person, Person],
        message: str = MESSAGE,
        recipient: type[ReturningRecipient] = ReturningRecipient,
    ) -> None:
        one, other = people
        self.people = people
        self._load = load
        self.ledger = Ledger(f"{one.id} → {other.id}")
        self.ledger.on_ok = partial(self._record, OK)
        self.ledger.on_arrival = partial(self._record, DELIVERY)
        self.sender = ReturningSender(self.ledger, other.id, message)
        self.recipient = recipient(self.ledger)

    def _record(self, name: str, seconds: float) -> None:
        self._load.record(name + self.suffix(), seconds)

    def suffix(self) -> str:
        """What is added now to the names of its histograms."""
        return ""


def beside(people: Sequence[Person]) -> list[tuple[Person, Person]]:
    """Friends who stand beside each other."""
    return list(zip(people[::2], people[1::2], strict=False))


def share_of(total: int, orders: Orders) -> int:
    """How many of *total* are this child's."""
    return total // orders.children + (orders.index < total % orders.children)


def share_couples(couples: Sequence[tuple[Person, Person]], children: int) -> list[list[Person]]:
    """Couples in turn to each child, friends beside each other."""
    return [[person for couple in couples[number::children] for person in couple] for number in range(children)]


def tally(load: Load, couples: Sequence[Couple]) -> None:
    """What the ledgers say."""
    ledgers = [couple.ledger for couple in couples]
    load.counts["sent"] = sum(len(ledger.intended) for ledger in ledgers)
    load.counts["accepted"] = sum(ledger.accepted for ledger in ledgers)
    load.counts["received"] = sum(ledger.received for ledger in ledgers)


async def settle(couples: Sequence[Couple], attendance: Attendance) -> None:
    """Wait until everybody is back and every hug has arrived, as long as there is progress; tell what is wrong then."""
    load, problems = attendance.load, attendance.load.problems

    def is_done() -> bool:
        return not attendance.away() and all(couple.ledger.is_settled() for couple in couples)

    def progress() -> int:
        return load.counts[BACK] + sum(couple.ledger.accepted + couple.ledger.received for couple in couples)

    await settled(is_done, progress, QUIET_S)
    tally(load, couples)
    if attendance.away():
        problems.append(f"{attendance.away()} of {len(attendance.absences)} who were cut off never came back")
    for couple in couples:
        couple.ledger.close()
        problems += couple.ledger.problems
