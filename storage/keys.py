"""Every Redis key and channel of ours, made in one place.

In a Redis Cluster the braces are the hash tag: what belongs to one user, or to one node, shares a slot.
"""

NODES = "hugmood:nodes"
WATCHED = "hugmood:watched"  # since when, in Unix ms, workers compare seats with the directory without a gap
ROOM_CHANNELS = "hugmood:room:"


def where(user: str) -> str:
    """Hash: node → rank of the user's status there."""
    return f"hugmood:where:{{{user}}}"


def told(user: str) -> str:
    """String `rank:ms`: the presence that friends were last told, and when."""
    return f"hugmood:told:{{{user}}}"


def gone(user: str) -> str:
    """String that expires with the grace in which a user without connections may come back unnoticed."""
    return f"hugmood:gone:{{{user}}}"


def lease(node: str) -> str:
    """String with an expiry: the node's proof of life."""
    return f"hugmood:lease:{{{node}}}"


def on(node: str) -> str:
    """Set: the users that the node holds."""
    return f"hugmood:on:{{{node}}}"


def swept(node: str) -> str:
    """String with an expiry: somebody is sweeping this dead node."""
    return f"hugmood:swept:{{{node}}}"


def node_channel(node: str) -> str:
    """Channel: everything addressed to users on this node."""
    return f"hugmood:node:{{{node}}}"


def room_channel(room: str) -> str:
    """Channel: squeezes and changes of one room, for every node that has a member in it."""
    return f"{ROOM_CHANNELS}{{{room}}}"


def job_queue(name: str) -> str:
    """Sorted set: ids of waiting and running jobs of one kind of work, by the ms they are due. ARQ's own keys stand beside it."""
    return f"hugmood:jobs:{name}"


def limit(name: str, subject: str) -> str:
    """Counter with an expiry: how often *subject*, a hash, has tried what *name* limits."""
    return f"hugmood:limit:{name}:{{{subject}}}"


def limit_towards(name: str, user: str, other: str) -> str:
    """Counter with an expiry: how often *user* has done what *name* limits, towards *other* or (empty) everybody."""
    return f"hugmood:limit:{name}:{{{user}}}:{other}"


def mood_stream(shard: int) -> str:
    """Stream: moods of the users of this shard that are not in PostgreSQL yet."""
    return f"hugmood:moods:{{{shard}}}"


PUSH_USERS = "hugmood:push:users"  # set: those with something in the inbox that they may have to be told of elsewhere
