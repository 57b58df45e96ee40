"""People who log moods over the wire, and send each again until they hear that it is saved, whatever happens meanwhile.

Only the wire protocol: `websockets`, asyncio and json, nothing of HugMood's own packages.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.chaos.swarm import Person

UNSAVED_MAX = 64  # of one person at a time: no app has more
AGAIN_AFTER_S = 4.0
DAYS_BACK = 10
WORDS = ("calm", "happy", "tired", "angry", "grateful")
ZONES = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "UTC")


def uuid7(now: float) -> str:
    """A new id of this moment (RFC 9562)."""
    value = int(now * 1000) << 80 | random.getrandbits(80)
    return str(uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


class Logger:
    """One person on one device."""

    def __init__(self, person: Person, count: int, chance: random.Random) -> None:
        self.person = person
        self.zone = chance.choice(ZONES)
        self.todo = [self._mood(chance) for _ in range(count)]
        self.logged = {mood["id"] for mood in self.todo}
        self.unsaved: dict[str, tuple[dict[str, Any], float]] = {}  # by id: the command, and when it was sent last
        self.saved: set[str] = set()
        self.queued = 0
        self.sent = 0
        self.connections = 0
        self.violations: list[str] = []

    def _mood(self, chance: random.Random) -> dict[str, Any]:
        felt = datetime.now(UTC) - timedelta(days=chance.random() * DAYS_BACK)
        mood = {"type": "mood.log", "id": uuid7(time.time()), "mood": chance.choice(WORDS), "timezone": self.zone}
        mood |= {
            "felt_at": felt.isoformat(),
            "note": f"note {chance.random()}",
            "tags": ["home"],
            "factors": {"sleep": 7},
        }
        return mood

    @property
    def is_done(self) -> bool:
        return not self.todo and not self.unsaved

    async def live(self, url: str) -> None:
        """Until everything is saved."""
        address = f"ws://{urlsplit(url).netloc}/v1/socket"
        while not self.is_done:
            with suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
                async with connect(address, subprotocols=[Subprotocol("hugmood.v1.json")], open_timeout=5) as socket:
                    self.connections += 1
                    await socket.send(
                        json.dumps({"type": "hello", "token": self.person.access_token, "device": "chaos"})
                    )
                    await self._session(socket)
            await asyncio.sleep(random.uniform(0.05, 0.5))

    async def _session(self, socket: ClientConnection) -> None:
        for mood_id in self.unsaved:  # whatever was on its way may be lost
            self.unsaved[mood_id] = (self.unsaved[mood_id][0], 0.0)
        while not self.is_done:
            await self._send(socket)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    self._hear(json.loads(await socket.recv()))

    async def _send(self, socket: ClientConnection) -> None:
        now = time.monotonic()
        late = [mood for mood, at in self.unsaved.values() if now - at > AGAIN_AFTER_S]
        while self.todo and len(self.unsaved) < UNSAVED_MAX:
            late.append(self.todo.pop())
            self.unsaved[late[-1]["id"]] = (late[-1], now)
        for mood in late:
            self.unsaved[mood["id"]] = (mood, now)
            self.sent += 1
            await socket.send(json.dumps(mood | {"ref": mood["id"]}))

    def _hear(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "ok":
                self.queued += 1
            case "mood.saved":
                if event["id"] not in self.logged:
                    self.violations.append(f"saved, but never logged: {event}")
                self.saved.add(event["id"])
                self.unsaved.pop(event["id"], None)
            case "mood.rejected" | "mood.deleted":
                self.violations.append(f"not to be expected: {event}")
            case "error" if event["code"] not in ("unavailable", "internal"):
                self.violations.append(f"refused: {event}")


def summary(loggers: Iterable[Logger]) -> str:
    """How far they are."""
    some = list(loggers)
    return (
        f"{sum(len(each.saved) for each in some)} saved, {sum(each.sent for each in some)} sent, "
        f"{sum(len(each.todo) + len(each.unsaved) for each in some)} to go, {sum(each.connections for each in some)} connections"
    )
