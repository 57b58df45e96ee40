"""What friends are told of a person's presence, agreed between all nodes.

`where:{user}` says how the person is on each node, `told:{user}` what friends were last told. One
script merges the first and compares it with the second, so that whichever node looks, each change
is announced once, in order, and at most every `CHANGE_GAP_MS`. Snapshots are read from `told` too:
a snapshot and the changes after it are therefore one consistent story.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from domain.errors import Unavailable
from domain.presence import CHANGE_GAP_MS, Rank, shown
from domain.times import from_ms, rfc3339, to_ms
from protocol.nodes import Sight
from storage import keys
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.postgres import Database
from storage.redis import Argument, RedisLink

OFFLINE = shown(Rank.OFFLINE)

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
select f.user_id, array_agg(f.friend_id) as friends,
       coalesce(min(p.who_sees_activity), 'friends') <> 'nobody' as shows_activity
from (
    select low_id as user_id, high_id as friend_id from friendships where low_id = any($1::uuid[]) and state = 'accepted'
    union all
    select high_id, low_id from friendships where high_id = any($1::uuid[]) and state = 'accepted'
) f
left join privacy p on p.user_id = f.user_id
where coalesce(p.who_sees_online, 'friends') <> 'nobody'
group by f.user_id
"""

_SAVE_LAST_SEEN = """
insert into last_seen as s (user_id, at) select u.id, $2 from users u where u.id = any($1::uuid[]) order by u.id
on conflict (user_id) do update set at = greatest(s.at, excluded.at)
"""

_LAST_SEEN = "select user_id, at from last_seen where user_id = any($1::uuid[])"

_HIDDEN = "select user_id from privacy where user_id = any($1::uuid[]) and who_sees_online = 'nobody'"


class Audience(Struct, frozen=True, gc=False):
    """The friends who may see somebody. *shows_activity*: also when that person was last seen."""

    friends: list[str]
    shows_activity: bool


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
        audiences = await self._load_audiences(_AUDIENCE, users)
        replies = await self._redis.pipeline([_tell_command(user, now_ms) for user in users])
        sights: list[Sight] = []
        gone: list[str] = []
        again: dict[str, int] = {}
        for user, reply in zip(users, replies, strict=True):
            if isinstance(reply, Exception):
                raise reply
            verdict, rank = reply
            if verdict > 0:
                again[user] = verdict
            elif verdict < 0:
                if rank == Rank.OFFLINE:
                    gone.append(user)
                if user in audiences:
                    sights.append(_sight(user, shown(rank), audiences[user], now_ms))
        if sights:
            await self.show(sights)
        if gone:
            with suppress(Unavailable):  # friends know already; only who asks later sees an older time
                await self._database.execute(_SAVE_LAST_SEEN, sorted(gone), from_ms(now_ms))
        return again

    async def _load_audiences(self, sql: str, users: Sequence[str]) -> dict[str, Audience]:
        rows = await self._database.fetch(sql, users)
        return {
            str(row["user_id"]): Audience([str(friend) for friend in row["friends"]], row["shows_activity"])
            for row in rows
        }

    async def _load_last_seen(self, users: Sequence[str]) -> dict[str, int]:
        rows = await self._database.fetch(_LAST_SEEN, users)
        return {str(row["user_id"]): to_ms(row["at"]) for row in rows}

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

    async def show_anew(self, user: str) -> None:
        """The privacy of *user* has changed: friends who may see the status get it, the others see them go offline.

        Raises: Unavailable.
        """
        audiences = await self._load_audiences(_AUDIENCE, [user])
        if audiences:
            await self.show(await self._present(audiences))
            return
        hidden_from = await self._load_audiences(_FRIENDS, [user])
        await self.show([_unseen(user, audience.friends) for audience in hidden_from.values()])

    async def show_pair(self, one: str, other: str, *, are_friends: bool) -> None:
        """Two people have become friends, or are friends no more: each sees the other come or go. Raises: Unavailable."""
        pairs = {one: other, other: one}
        visible = await self._load_audiences(_AUDIENCE, list(pairs)) if are_friends else {}
        sights = await self._present(
            {user: Audience([pairs[user]], audience.shows_activity) for user, audience in visible.items()}
        )
        hidden = [_unseen(user, [friend]) for user, friend in pairs.items() if user not in visible]
        await self.show([*sights, *hidden])

    async def _present(self, audiences: dict[str, Audience]) -> list[Sight]:
        """How the users of *audiences* are now; offline since when, where that is known and may be seen."""
        statuses = await self.shown(list(audiences))
        last_seen = await self._load_last_seen([user for user in audiences if user not in statuses])
        return [
            _sight(user, statuses.get(user, OFFLINE), audience, last_seen.get(user))
            for user, audience in audiences.items()
        ]


_FRIENDS = _AUDIENCE.replace("where coalesce(p.who_sees_online, 'friends') <> 'nobody'", "")


def _sight(user: str, status: str, audience: Audience, last_seen_ms: int | None) -> Sight:
    is_told = status == OFFLINE and audience.shows_activity
    last_seen = rfc3339(last_seen_ms) if is_told and last_seen_ms is not None else None
    return Sight(user, status, last_seen, audience.friends)


def _unseen(user: str, friends: list[str]) -> Sight:
    """Somebody whom *friends* may not see, or see no more."""
    return Sight(user, OFFLINE, None, friends)


def _tell_command(user: str, now_ms: int) -> tuple[Argument, ...]:
    names = (keys.where(user), keys.told(user), keys.gone(user))
    return ("EVAL", _TELL, len(names), *names, now_ms, CHANGE_GAP_MS, int(Rank.INVISIBLE))
