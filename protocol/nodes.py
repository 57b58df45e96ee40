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


class NodeMail(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """Everything one node has for another in one tick."""

    rings: list[Ring] = []
    tells: list[Tell] = []
    sights: list[Sight] = []
    forget: list[tuple[str, str]] = []  # pairs of users whose relation changed
    probe: str | None = None
    ended: list[Ended] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(NodeMail)


def encode_mail(mail: NodeMail) -> bytes:
    """*mail* as one pub/sub payload."""
    return _encoder.encode(mail)


def decode_mail(data: bytes) -> NodeMail:
    """Raises: msgspec.DecodeError for what no version of ours has written."""
    return _decoder.decode(data)
