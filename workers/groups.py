"""What time does to group hugs: scheduled ones begin, those whose time is up expire, empty seats are given up.

When something is due stands in PostgreSQL and is looked for every second (docs/adr/0010): nothing that Redis
forgets can be missed, and the compare-and-set makes each step once however many workers look.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence, Set

from domain.errors import Refusal
from domain.groups import SEAT_KEPT_MS, Act, Away, Back, Due, SeatLost
from storage.directory import Directory
from storage.group_commits import GroupChange, GroupCommits
from storage.group_seats import HeldSeat, load_due, load_seats_held
from storage.postgres import Database
from storage.presence import Presence
from storage.ringing import Ringing
from storage.room_mail import RoomMailer, news_of
from workers.retry import Job

DUE_LIMIT = 200
SEATS_EVERY_S = 5
SEATS_PAGE = 5_000
ACTS_MAX = 200  # folded in one go
SURE_AFTER_MS = 20_000  # Redis back, or emptied: until then every node has registered everybody again

log = logging.getLogger("hugmood.groups")


class GroupCare:
    """The jobs of group hugs in the queue `care`."""

    def __init__(
        self,
        database: Database,
        presence: Presence,
        directory: Directory,
        ringing: Ringing,
        mailer: RoomMailer,
        clock: Callable[[], int],
    ) -> None:
        self._database = database
        self._directory = directory
        self._ringing = ringing
        self._mailer = mailer
        self._clock = clock
        self._untold: list[GroupChange] = []
        self._commits = GroupCommits(database, clock, self._untold.append, presence.invisible)

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.CARE` is given."""
        return [
            Job("groups.bring_due", self.bring_due, timeout_s=20, seconds=frozenset(range(60))),
            Job("groups.watch_seats", self.watch_seats, timeout_s=25, seconds=frozenset(range(0, 60, SEATS_EVERY_S))),
        ]

    async def bring_due(self) -> None:
        """Begin what is scheduled for now and end what has expired. Raises: Unavailable."""
        is_more = True
        while is_more:
            due = await load_due(self._database, self._clock(), DUE_LIMIT)
            is_more = await self._act([(group, [Due()]) for group in due]) and len(due) >= DUE_LIMIT

    async def watch_seats(self) -> None:
        """Note who is connected nowhere and who is back; give up seats that nobody has come back to.

        While it is not sure that the directory is complete, nobody is touched. Raises: Unavailable.
        """
        now_ms = self._clock()
        if now_ms - await self._directory.watched_since(now_ms) < SURE_AFTER_MS:
            return
        last: HeldSeat | None = None
        while page := await load_seats_held(self._database, last, SEATS_PAGE):
            present = await self._directory.present([*{seat.user for seat in page}])
            await self._act(_by_group(page, present, now_ms))
            last = page[-1]

    async def _act(self, wanted: Iterable[tuple[str, Sequence[Act]]]) -> bool:
        """Carry out what is *wanted*, then tell of it. False if something must wait for the next tick."""
        done = await asyncio.gather(
            *(self._commits.act(group, *acts) for group, acts in wanted), return_exceptions=True
        )
        for outcome in done:
            if isinstance(outcome, Refusal):
                log.warning("a group hug could not be moved on", extra={"reason": str(outcome)})
            elif isinstance(outcome, BaseException):
                raise outcome
        changes, self._untold[:] = self._untold[:], []
        await self._ringing.ring([event for change in changes for event in change.events])
        await self._mailer.publish([news_of(change) for change in changes])
        return not any(isinstance(outcome, Refusal) for outcome in done)


def _by_group(page: Sequence[HeldSeat], present: Set[str], now_ms: int) -> Iterator[tuple[str, list[Act]]]:
    """What becomes of the seats of *page*, at most `ACTS_MAX` at a time of one group."""
    by_group: dict[str, list[Act]] = {}
    for seat in page:
        act = judge(seat, now_ms, is_present=seat.user in present)
        if act is not None:
            by_group.setdefault(seat.group, []).append(act)
    for group, acts in by_group.items():
        for start in range(0, len(acts), ACTS_MAX):
            yield group, acts[start : start + ACTS_MAX]


def judge(seat: HeldSeat, now_ms: int, *, is_present: bool) -> Act | None:
    """What becomes of a seat whose owner is, or is not, connected somewhere."""
    if is_present:
        return Back(seat.user) if seat.away_ms is not None else None
    if seat.away_ms is None:
        return Away(seat.user)
    return SeatLost(seat.user) if seat.away_ms + SEAT_KEPT_MS <= now_ms else None
