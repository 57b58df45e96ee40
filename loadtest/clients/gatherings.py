"""Small rooms, each of a few people who squeeze in turn: what one squeezes all of them must hear."""

from collections.abc import Sequence
from functools import partial

from loadtest.clients.people import Person
from loadtest.clients.roommates import PULSES_PER_S_MAX, Crowd, RoomMember
from loadtest.scenario import Load
from loadtest.scenarios.room import STRENGTH, new_room_id

PULSE = "pulse"  # the histogram


class Gathering:
    """One room and its members, all of one load."""

    def __init__(self, load: Load, people: Sequence[Person]) -> None:
        for name in ("squeezes", "pulses", "reads"):
            load.counts.setdefault(name, 0)
        self._load = load
        self._room = new_room_id()
        self._crowd = Crowd([self._room], load.counts, partial(load.record, PULSE))
        self.people = list(people)
        self.members = [RoomMember(self._crowd) for _ in people]
        self._squeeze = b'{"type":"group.squeeze","id":"%b","strength":%.1f' % (self._room.encode(), STRENGTH)

    async def gather(self) -> None:
        """The first one opens the room, the others join. Raises: Lost."""
        host, *others = self.members
        await host.ask(type="group.create", id=self._room, name="load", capacity=max(2, len(self.members)))
        for member in others:
            await member.ask(type="group.join", id=self._room)

    def begin(self) -> None:
        """The news of who has joined are over: count from now on."""
        self._crowd.hasty = 0
        for member in self.members:
            member.forget()

    def squeeze(self, index: int, intended: float) -> None:
        """One squeeze, of whoever's turn it is."""
        self._load.counts["squeezes"] += 1
        self._crowd.squeezed[0].append(intended)
        self.members[index % len(self.members)].say(self._squeeze, intended)

    def is_settled(self) -> bool:
        """Everybody has heard everything, and has every answer."""
        squeezed = [len(self._crowd.squeezed[0])]
        return all(member.heard_sums == squeezed and not member.outstanding() for member in self.members)

    def ended(self) -> list[str]:
        """What was not as it should be, now that the run is over."""
        squeezed = len(self._crowd.squeezed[0])
        found = [
            f"a member of a room heard {member.heard_sums[0]} of {squeezed} squeezes"
            for member in self.members
            if member.heard_sums[0] != squeezed
        ]
        if self._crowd.hasty:
            found.append(f"{self._crowd.hasty} pulses came although there were {PULSES_PER_S_MAX} in a second")
        return found + [problem for member in self.members for problem in member.ended()]

    def close(self) -> None:
        """All connections."""
        for member in self.members:
            member.close()
