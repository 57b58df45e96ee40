"""What nodes send each other through the doorbell: one `NodeMail` per node and tick, as MessagePack arrays."""

import msgspec


class Ring(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A durable event has been committed for *user*. The body comes along: no read on the usual way."""

    user: str
    seq: int
    body: bytes


class Tell(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An ephemeral event for every session of *users*, but not for session *skip*."""

    users: list[str]
    body: bytes
    skip: str | None = None


class Sight(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """*user* now shows *status* to *friends*; kept apart from Tell because a newer sight replaces an older one."""

    user: str
    status: str
    last_seen: str | None
    friends: list[str]


class Ended(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """These log-ins of *user* are over; so are the sessions that came by them."""

    user: str
    sids: list[str]


class Renamed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """*user* is called *name* from now on."""

    user: str
    name: str


class Mover(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Who came into a room or went; *hidden_from*: members who must not learn who it was. Without a name it is nobody's business."""

    user: str
    name: str | None
    hidden_from: list[str] = []


class RoomChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A room went from version *since* to *version*; all of it is committed."""

    since: int
    version: int
    state: str
    host: str
    count: int
    joined: list[Mover]
    left: list[Mover]


class Squeezes(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the members on one node squeezed since its last mail: how often, the sum of strengths.

    *warm*: how many of them squeezed last in which slice of time (`domain.squeezes.SLICE_MS`), for the last second.
    """

    count: int
    strength: float
    warm: list[tuple[int, int]]


class RoomMail(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """News of a room from *node*, on the room's own channel."""

    room: str
    node: str
    change: RoomChange | None = None
    squeezes: Squeezes | None = None


class NodeMail(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """Everything one node has for another in one tick."""

    rings: list[Ring] = []
    tells: list[Tell] = []
    sights: list[Sight] = []
    forget: list[tuple[str, str]] = []  # pairs of users whose relation changed
    probe: str | None = None
    ended: list[Ended] = []
    rooms: list[RoomMail] = []  # changes of rooms that somebody here has come into by another node
    renamed: list[Renamed] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(NodeMail)
_room_decoder = msgspec.msgpack.Decoder(RoomMail)


def encode_mail(mail: NodeMail | RoomMail) -> bytes:
    """*mail* as one pub/sub payload."""
    return _encoder.encode(mail)


def decode_mail(data: bytes) -> NodeMail:
    """Raises: msgspec.DecodeError for what no version of ours has written."""
    return _decoder.decode(data)


def decode_room_mail(data: bytes) -> RoomMail:
    """Raises: msgspec.DecodeError for what no version of ours has written."""
    return _room_decoder.decode(data)
