"""Everything a worker process can be told. Read from the environment by deploy/settings.py, nowhere else."""

from msgspec import Struct, field

from storage.encryption_keys import EncryptionKey
from storage.queues import Queue
from workers.push.settings import PushSettings

SERVED = (Queue.CARE, Queue.MOODS, Queue.PUSH)  # what there are jobs for


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """One worker process. URLs are those of asyncpg and redis."""

    database_url: str
    redis_url: str
    encryption_keys: tuple[EncryptionKey, ...]  # of fields, the newest first; the same on every hub and worker
    jobs_redis_url: str | None = None  # a Redis of its own for the queues; else `redis_url`
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9200
    queues: tuple[Queue, ...] = SERVED
    database_connections: int = 5
    mood_retention_months: int = 0  # 0: moods are kept for ever
    push: PushSettings = field(default_factory=PushSettings)
    stop_wait_s: float = 25.0  # how long running jobs may go on after SIGTERM
