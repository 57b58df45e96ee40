"""What friends are told of a person's presence, agreed between all nodes.

`where:{user}` says how the person is on each node, `told:{user}` what friends were last told. One
script merges the first and compares it with the second, so that whichever node looks, each change
is announced once, in order, and at most every `CHANGE_GAP_MS`. Snapshots are read from `told` too:
a snapshot and the changes after it are therefore one consistent story.
"""

from collections.abc import Callable, Sequence

from domain.presence import CHANGE_GAP_MS, Rank, shown
from domain.times import rfc3339
from protocol.nodes import Sight
from storage import keys
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.postgres import Database
from storage.redis import Argument, RedisLink

# Returns {verdict, rank}: 0 nothing new, -1 changed and now told, else the ms to wait for the next look.
_TELL = """
local rank = 0
for _, value in ipairs(redis.call('HVALS', KEYS[1])) do rank = math.max(rank, tonumber(value)) end
local grace = 0
if rank == 0 then grace = redis.call('PTTL', KEYS[3]) end
if rank == tonumber(ARGV[3]) then rank = 0 end
local told, at = 0, 0
local old = redis.call('GET', KEYS[2])
if old then
    local colon = string.find(old, ':')
    told, at = tonumber(string.sub(old, 1, colon - 1)), tonumber(string.sub(old, colon + 1))
end
if rank == told then return {0, rank} end
if grace > 0 then return {grace, rank} end
local now, gap = tonumber(ARGV[1]), tonumber(ARGV[2])
if at + gap > now then return {math.min(at + gap - now, gap), rank} end
if rank == 0 then
    redis.call('SET', KEYS[2], rank .. ':' .. ARGV[1], 'PX', gap)
else
    redis.call('SET', KEYS[2], rank .. ':' .. ARGV[1])
end
return {-1, rank}
"""

_AUDIENCE = """
select f.user_id, array_agg(f.friend_id) as friends
from (
    select low_id as user_id, high_id as friend_id from friendships where low_id = any($1::uuid[]) and state = 'accepted'
    union all
    select high_id, low_id from friendships where high_id = any($1::uuid[]) and state = 'accepted'
) f
left join privacy p on p.user_id = f.user_id
where coalesce(p.who_sees_online, 'friends') <> 'nobody'
group by f.user_id
"""

_HIDDEN = "select user_id from privacy where user_id = any($1::uuid[]) and who_sees_online = 'nobody'"


class Presence:
    """Presence across nodes. A hub hands in how to reach its own sessions; a worker has none."""

    def __init__(
        self,
        redis: RedisLink,
        database: Database,
        directory: Directory,
        doorbell: Doorbell,
        show_here: Callable[[Sight], None],
    ) -> None:
        self._redis = redis
        self._database = database
        self._directory = directory
        self._doorbell = doorbell
        self._show_here = show_here

    async def shown(self, users: Sequence[str]) -> dict[str, str]:
        """The status that friends see now, for those of *users* who are not offline. Raises: Unavailable."""
        replies = await self._redis.pipeline([("GET", keys.told(user)) for user in users])
        ranks = {user: int(reply.split(b":")[0]) for user, reply in zip(users, replies, strict=True) if reply}
        return {user: shown(rank) for user, rank in ranks.items() if rank != Rank.OFFLINE}

    async def invisible(self, users: Sequence[str]) -> set[str]:
        """Those of *users* who want to be seen nowhere now: in rooms and receipts they are as if offline. Raises: Unavailable."""
        replies = await self._redis.pipeline([("HVALS", keys.where(user)) for user in users])
        mark = str(int(Rank.INVISIBLE)).encode()
        found: set[str] = set()
        for user, ranks in zip(users, replies, strict=True):
            if isinstance(ranks, Exception):
                raise ranks
            if mark in ranks:
                found.add(user)
        return found

    async def seen_by_friends(self, users: Sequence[str]) -> dict[str, str]:
        """`shown`, without those who let nobody see them. Raises: Unavailable."""
        statuses = await self.shown(users)
        rows = await self._database.fetch(_HIDDEN, list(statuses))
        for row in rows:
            del statuses[str(row["user_id"])]
        return statuses

    async def announce(self, users: Sequence[str], now_ms: int) -> dict[str, int]:
        """Tell friends what has changed for *users*; who must be looked at again, and in how many ms.

        Raises: Unavailable, with nothing told. The friends are looked up first: once a change is on record as
        told, nothing that can fail may stand between it and the friends but the doorbell.
        """
        friends = await self._load_friends(_AUDIENCE, users)
        replies = await self._redis.pipeline([_tell_command(user, now_ms) for user in users])
        sights: list[Sight] = []
        again: dict[str, int] = {}
        for user, reply in zip(users, replies, strict=True):
            if isinstance(reply, Exception):
                raise reply
            verdict, rank = reply
            if verdict > 0:
                again[user] = verdict
            elif verdict < 0 and user in friends:
                sights.append(_sight(user, shown(rank), friends[user], now_ms))
        if sights:
            await self.show(sights)
        return again

    async def _load_friends(self, sql: str, users: Sequence[str]) -> dict[str, list[str]]:
        rows = await self._database.fetch(sql, users)
        return {str(row["user_id"]): [str(friend) for friend in row["friends"]] for row in rows}

    async def show(self, sights: Sequence[Sight]) -> None:
        """Bring *sights* to the friends they name, wherever those are connected. Raises: Unavailable."""
        friends = sorted({friend for sight in sights for friend in sight.friends})
        nodes = await self._directory.nodes_of(friends)
        for sight in sights:
            self._show_here(sight)
            by_node: dict[str, list[str]] = {}
            for friend in sight.friends:
                for node in nodes.get(friend, ()):
                    by_node.setdefault(node, []).append(friend)
            for node, some in by_node.items():
                self._doorbell.show(node, Sight(sight.user, sight.status, sight.last_seen, some))

    async def show_anew(self, user: str, now_ms: int) -> None:
        """The privacy of *user* has changed: friends who may see the status get it, the others see them go offline.

        Raises: Unavailable.
        """
        status = (await self.shown([user])).get(user, "offline")
        friends = await self._load_friends(_AUDIENCE, [user])
        if not friends:
            status = "offline"
            friends = await self._load_friends(_FRIENDS, [user])
        await self.show([_sight(user, status, some, now_ms) for some in friends.values()])

    async def show_pair(self, one: str, other: str, *, are_friends: bool, now_ms: int) -> None:
        """Two people have become friends, or are friends no more: each sees the other come or go. Raises: Unavailable."""
        shown_now: dict[str, str] = {}
        if are_friends:
            visible = await self._load_friends(_AUDIENCE, [one, other])
            shown_now = {user: status for user, status in (await self.shown([one, other])).items() if user in visible}
        pairs = ((one, other), (other, one))
        await self.show([_sight(user, shown_now.get(user, "offline"), [friend], now_ms) for user, friend in pairs])


_FRIENDS = _AUDIENCE.replace("where coalesce(p.who_sees_online, 'friends') <> 'nobody'", "")


def _sight(user: str, status: str, friends: list[str], now_ms: int) -> Sight:
    return Sight(user, status, rfc3339(now_ms) if status == "offline" else None, friends)


def _tell_command(user: str, now_ms: int) -> tuple[Argument, ...]:
    names = (keys.where(user), keys.told(user), keys.gone(user))
    return ("EVAL", _TELL, len(names), *names, now_ms, CHANGE_GAP_MS, int(Rank.INVISIBLE))
