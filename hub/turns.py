"""First come, first served, although some must wait on the way: a place in the line is taken at once.

Invariant: `comes` returns only when everybody before in the same line has ended, whatever became of them.
"""

import asyncio
from typing import Self

Line = tuple[str, str]


class Turn:
    """One place in a line. Use it as a context manager: whoever comes after waits for the end of the block."""

    __slots__ = ("_before", "_line", "_turns", "over")

    def __init__(self, turns: "Turns", line: Line, before: "Turn | None") -> None:
        self._turns = turns
        self._line = line
        self._before = before.over if before is not None else None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None or self._before.done():
            self._end()
        else:  # given up while waiting: who comes after still waits for who came before
            self._before.add_done_callback(lambda _: self._end())

    async def comes(self) -> None:
        """Return when it is this one's turn."""
        if self._before is not None:
            await asyncio.shield(self._before)

    def _end(self) -> None:
        self.over.set_result(None)
        if self._turns.get(self._line) is self:
            del self._turns[self._line]


class Turns(dict[Line, Turn]):
    """The last place of every line in which somebody waits."""

    def take(self, line: Line) -> Turn:
        """The next place. It must be used."""
        turn = self[line] = Turn(self, line, self.get(line))
        return turn
