"""The doorbell: tells other nodes that something arrived, once per node and tick.

Nothing durable depends on it: a ring that is lost costs the time until the next comparison of cursors.
Invariant: a link that has gone deaf is noticed within `PROBE_EVERY_S + PROBE_WAIT_S`, because every
node rings itself; the link is then thrown away and made anew.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from protocol.nodes import (
    Ended,
    NodeMail,
    Renamed,
    Ring,
    RoomMail,
    Sight,
    Tell,
    decode_mail,
    decode_room_mail,
    encode_mail,
)
from storage import keys
from storage.redis import RedisLink, RedisSubscriber

PROBE_EVERY_S = 5.0
PROBE_WAIT_S = 3.0
MAIL_BODIES_MAX_BYTES = 256 * 1024  # a larger tick is cut into several publishes

_ROOM_CHANNELS = keys.ROOM_CHANNELS.encode()

log = logging.getLogger("hugmood.doorbell")


class _Outgoing:
    """What one other node gets at the end of this tick."""

    __slots__ = ("ended", "forget", "renamed", "rings", "rooms", "sights", "size", "tells")

    def __init__(self) -> None:
        self.rings: list[Ring] = []
        self.tells: list[Tell] = []
        self.sights: list[Sight] = []
        self.forget: list[tuple[str, str]] = []
        self.ended: list[Ended] = []
        self.rooms: list[RoomMail] = []
        self.renamed: list[Renamed] = []
        self.size = 0

    def encode(self) -> bytes:
        return encode_mail(
            NodeMail(
                rings=self.rings,
                tells=self.tells,
                sights=self.sights,
                forget=self.forget,
                ended=self.ended,
                rooms=self.rooms,
                renamed=self.renamed,
            )
        )


class Doorbell:
    """One node's way to ring the others, and to be rung."""

    def __init__(self, redis: RedisLink, node: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._redis = redis
        self._node = node
        self._outgoing: dict[str, _Outgoing] = {}

    def ring(self, node: str, ring: Ring) -> None:
        """A durable event, already committed, for a user on *node*."""
        box = self._box(node)
        box.rings.append(ring)
        self._grow(node, box, len(ring.body))

    def tell(self, node: str, tell: Tell) -> None:
        """An ephemeral event for users on *node*."""
        box = self._box(node)
        box.tells.append(tell)
        self._grow(node, box, len(tell.body))

    def show(self, node: str, sight: Sight) -> None:
        """A change of presence for friends on *node*."""
        box = self._box(node)
        box.sights.append(sight)
        self._grow(node, box, 40 * len(sight.friends))

    def forget(self, node: str, one: str, other: str) -> None:
        """What *node* remembers about the relation of these two is out of date."""
        self._box(node).forget.append((one, other))

    def end(self, node: str, ended: Ended) -> None:
        """Log-ins that are over, of a user who may have sessions on *node*."""
        self._box(node).ended.append(ended)

    def rename(self, node: str, renamed: Renamed) -> None:
        """The new name of a user who may have sessions on *node*."""
        self._box(node).renamed.append(renamed)

    def seat(self, node: str, mail: RoomMail) -> None:
        """A change of a room, for a node that holds somebody who came in by another one."""
        self._box(node).rooms.append(mail)

    def tell_room(self, mail: RoomMail) -> None:
        """News of a room, for every node with a member in it. Lost while Redis is away: rooms are compared all the time."""
        self._redis.post("PUBLISH", keys.room_channel(mail.room), encode_mail(mail))

    def _box(self, node: str) -> _Outgoing:
        box = self._outgoing.get(node)
        if box is None:
            if not self._outgoing:
                self._loop.call_soon(self._publish_all)
            box = self._outgoing[node] = _Outgoing()
        return box

    def _grow(self, node: str, box: _Outgoing, size: int) -> None:
        box.size += size + 64
        if box.size > MAIL_BODIES_MAX_BYTES:
            self._redis.post("PUBLISH", keys.node_channel(node), box.encode())
            self._outgoing[node] = _Outgoing()

    def _publish_all(self) -> None:
        outgoing, self._outgoing = self._outgoing, {}
        for node, box in outgoing.items():
            self._redis.post("PUBLISH", keys.node_channel(node), box.encode())


class Listener:
    """Hears what other nodes publish for this one, and makes sure that it can still hear."""

    def __init__(self, url: str, redis: RedisLink, node: str) -> None:
        self._redis = redis
        self._channel = keys.node_channel(node)
        self._awaited: str | None = None
        self._heard = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self.on_mail: Callable[[NodeMail], None] = lambda _mail: None
        self.on_room: Callable[[RoomMail], None] = lambda _mail: None
        self.on_probe: Callable[[float], None] = lambda _seconds: None  # told how long each probe was under way
        self.subscriber = RedisSubscriber(url, self._receive)
        self.subscriber.subscribe(self._channel)

    async def __aenter__(self) -> "Listener":
        await self.subscriber.__aenter__()
        self._probing = asyncio.create_task(self._probe(), name="doorbell-probe")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._probing is not None:
            self._probing.cancel()
            with suppress(asyncio.CancelledError):
                await self._probing
        await self.subscriber.__aexit__()

    @property
    def is_hearing(self) -> bool:
        """Both directions of the doorbell are connected, as far as is known."""
        return self.subscriber.is_connected and self._redis.is_connected

    def hear_room(self, room: str) -> None:
        """Somebody here has come into *room*."""
        self.subscriber.subscribe(keys.room_channel(room))

    def ignore_room(self, room: str) -> None:
        """Nobody here is in *room* any more."""
        self.subscriber.unsubscribe(keys.room_channel(room))

    def _receive(self, channel: bytes, payload: bytes) -> None:
        try:
            if channel.startswith(_ROOM_CHANNELS):
                self.on_room(decode_room_mail(payload))
            else:
                self._open(decode_mail(payload))
        except msgspec.DecodeError as error:
            log.warning("unreadable mail from another node", extra={"reason": str(error)})
        except Exception:  # the link must go on, whatever one mail does
            log.exception("mail could not be delivered")

    def _open(self, mail: NodeMail) -> None:
        if mail.probe is None:
            self.on_mail(mail)
        elif mail.probe == self._awaited:
            self._heard.set()

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            if not self.is_hearing:
                continue
            self._heard.clear()
            self._awaited = os.urandom(8).hex()
            sent = time.perf_counter()
            self._redis.post("PUBLISH", self._channel, encode_mail(NodeMail(probe=self._awaited)))
            try:
                async with asyncio.timeout(PROBE_WAIT_S):
                    await self._heard.wait()
                self.on_probe(time.perf_counter() - sent)
            except TimeoutError:
                self.subscriber.drop("its own probe did not come back")
