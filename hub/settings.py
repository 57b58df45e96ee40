"""Everything a hub process can be told. Read from the environment by deploy/settings.py, nowhere else."""

from collections.abc import Sequence

from msgspec import Struct, field

from domain.hug_requests import COMMUNITY_OPEN_MAX, REQUESTS_AN_HOUR_MAX
from domain.marks import FOLLOWS_MAX
from hub.care import Resource, load_shipped
from storage.encryption_keys import EncryptionKey

SECRET_MIN_BYTES = 32


class HubSettings(Struct, frozen=True, kw_only=True):
    """One hub. Addresses are `host:port` parts, URLs are those of asyncpg and redis."""

    database_url: str
    redis_url: str
    jobs_redis_url: str | None = None  # a Redis of its own for the queues of workers; else `redis_url`
    secret: bytes  # signs access tokens; the same on every node
    encryption_keys: tuple[EncryptionKey, ...]  # of fields, the newest first; the same on every node and worker
    host: str = "127.0.0.1"
    port: int = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9100
    allowed_origins: tuple[str, ...] = ()  # empty: the hub's own host
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose X-Forwarded-For is believed
    limits_on: bool = True  # HUGMOOD_LIMITS=off switches off what counts and rates; sizes and timeouts always hold
    hug_kinds: tuple[str, ...] = ()  # further kinds beside those of domain/hugs.py
    requests_per_hour: int = REQUESTS_AN_HOUR_MAX  # for hugs, of one asker
    community_requests_open: int = COMMUNITY_OPEN_MAX  # at once, of one asker
    moods_per_day: int = 2_000  # of one user, the same sent again included; 0: without limit
    hugs_per_minute: int = 30  # of one sender; these three: 0 without limit
    hugs_per_day: int = 500
    hugs_unanswered_per_hour: int = 5  # to one person who has never hugged back
    max_connections: int = 0  # of this node; 0: as many as it may have open files
    max_connections_per_address: int = 1_000
    max_connections_per_user: int = 20
    max_follows: int = FOLLOWS_MAX  # of one user
    webpush_hosts: frozenset[str] = frozenset()  # further push services, as domain/push_endpoints.py has them
    care: Sequence[Resource] = field(default_factory=load_shipped)  # where to find help
    push_unacked_s: int = 10  # then whoever is connected and has not acked is pushed
    database_connections: int = 10
    drain_s: float = 25.0
