"""Pairs of friends on devices that come back: what one sends the other gets, once and in order, whatever happens in between."""

import asyncio
import time
from collections.abc import Sequence

from loadtest.checker import Ledger
from loadtest.people import Person
from loadtest.returning import Attendance, Place, Returning, ReturningRecipient, ReturningSender

OPENING_AT_ONCE = 100  # of one process: the server is to be busy, not drowned
SETTLE_WITHIN_S = 30.0  # without any progress; a backoff has up to 20 s


class Couple:
    """One sends, the other receives."""

    def __init__(self, one: Person, other: Person, message: str) -> None:
        self.people = (one, other)
        self.ledger = Ledger(f"{one.id} → {other.id}")
        self.sender = ReturningSender(self.ledger, other.id, message)
        self.recipient = ReturningRecipient(self.ledger)

    def devices(self) -> list[tuple[Returning, Person]]:
        """Both, with who they are."""
        return [(self.sender, self.people[0]), (self.recipient, self.people[1])]


def couples_of(people: Sequence[Person], count: int, message: str) -> list[Couple]:
    """*count* couples of the first people, who stand beside their friends."""
    return [Couple(people[2 * number], people[2 * number + 1], message) for number in range(count)]


async def stay_all(devices: Sequence[tuple[Returning, Place]], attendance: Attendance) -> None:
    """Connect all of them, some at once. Raises: Lost, as soon as one fails."""
    waiting = list(reversed(devices))

    async def work() -> None:
        while waiting:
            device, place = waiting.pop()
            await device.stay(place, attendance)

    tasks = [asyncio.create_task(work()) for _ in range(min(OPENING_AT_ONCE, len(devices)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def settle(couples: Sequence[Couple], attendance: Attendance) -> list[str]:
    """Wait until everybody is back and every hug has arrived, as long as there is progress; what is wrong then."""
    seen, since = -1, time.perf_counter()
    while attendance.away() or not all(couple.ledger.is_settled() for couple in couples):
        progress = attendance.back + sum(couple.ledger.accepted + couple.ledger.received for couple in couples)
        if progress != seen:
            seen, since = progress, time.perf_counter()
        if time.perf_counter() - since > SETTLE_WITHIN_S:
            break
        await asyncio.sleep(0.02)
    problems = list(attendance.problems)
    if attendance.away():
        problems.append(f"{attendance.away()} of {len(attendance.absences)} who were cut off never came back")
    for couple in couples:
        couple.ledger.close()
        problems += couple.ledger.problems
    return problems
