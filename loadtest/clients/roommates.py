"""Many people in the same rooms, who hear merged pulses.

What one read brings is the same bytes for every member on a node, so it is looked into once and recognised by
comparing: with a thousand members the client would otherwise cost more than the hub that it measures.
"""

import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence

from loadtest.clients.speaker import Speaker

PULSES_PER_S_MAX = 10
WITHIN_S = 1.0

_PULSE = b'{"type":"group.pulse","id":"'
_ID_END = len(_PULSE) + 36
_COUNT = b'"count":'


class Told:
    """What one node has told last: the bytes of one read, and the (room, squeezes) of each pulse in them."""

    __slots__ = ("data", "pulses")

    def __init__(self) -> None:
        self.data = b""
        self.pulses: list[tuple[int, int]] = []


class Crowd:
    """What the members of one process share. Rooms are numbered in the order of their ids."""

    def __init__(self, rooms: Sequence[str], counts: dict[str, int], on_latency: Callable[[float], None]) -> None:
        """*counts*: its `pulses` grow by those that members have read, its `reads` by one for each time."""
        self.numbers = {room.encode(): number for number, room in enumerate(rooms)}
        self.squeezed = [array("d") for _ in rooms]  # by this process: intended times (perf_counter)
        self.on_latency = on_latency
        self.counts = counts
        self.hasty = 0  # those that were the eleventh of their room and member within a second
        self._told: dict[str, Told] = {}

    def told_by(self, node: str) -> Told:
        """What that node's members have read last."""
        return self._told.setdefault(node, Told())


class RoomMember(Speaker):
    """Adds up what it hears, room by room."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__()
        self._crowd = crowd
        self._told = Told()
        self._pulses: list[tuple[int, int]] = []  # of the read that is looked into
        self._is_mixed = False  # there was something else in it
        self.heard_sums: list[int] = []
        self._times: list[deque[float]] = []
        self.forget()

    def forget(self) -> None:
        """Nothing was heard until now."""
        rooms = self._crowd.squeezed
        self.heard_sums = [0 for _ in rooms]
        self._times = [deque(maxlen=PULSES_PER_S_MAX) for _ in rooms]

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes."""
        told = self._told
        if data == told.data and not self._rest:
            self._add(told.pulses, time.perf_counter())
            return
        is_whole = not self._rest
        super().data_received(data)
        pulses, self._pulses = self._pulses, []
        if is_whole and pulses and not self._rest and not self._is_mixed:
            told = self._told = self._crowd.told_by(self.node)
            told.data, told.pulses = data, pulses
        self._is_mixed = False

    def message(self, payload: bytes, now: float) -> None:
        """Pulses are by far the most."""
        if not payload.startswith(_PULSE):
            self._is_mixed = True
            super().message(payload, now)
            return
        room = self._crowd.numbers.get(payload[len(_PULSE) : _ID_END])
        if room is not None:  # else one of an earlier run, in which these people still have a seat
            start = payload.index(_COUNT, _ID_END) + len(_COUNT)
            self._pulses.append((room, int(payload[start : payload.index(b",", start)])))

    def _control(self, opcode: int, payload: bytes) -> None:
        self._is_mixed = True  # each member must answer a ping for itself
        super()._control(opcode, payload)

    def batch_done(self, now: float) -> None:
        """What one read has brought is added at once."""
        super().batch_done(now)
        if self._pulses:
            self._add(self._pulses, now)

    def _add(self, pulses: list[tuple[int, int]], now: float) -> None:
        """Those of one read. Its latency is that of the oldest squeeze in the first of them."""
        crowd, sums, times = self._crowd, self.heard_sums, self._times
        room, count = pulses[0]
        before = sums[room]
        if count and before < len(crowd.squeezed[room]):
            crowd.on_latency(now - crowd.squeezed[room][before])
        for room, count in pulses:
            sums[room] += count
            latest = times[room]
            if len(latest) == PULSES_PER_S_MAX and now - latest[0] < WITHIN_S:
                crowd.hasty += 1
            latest.append(now)
        crowd.counts["pulses"] += len(pulses)
        crowd.counts["reads"] += 1
