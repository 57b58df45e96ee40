"""The real worker process: `python -m tests.support.care_worker DATABASE_URL REDIS_URL METRICS_PORT [JOBS_REDIS_URL]`."""

import asyncio
import sys

from tests.support.keys import KEY
from workers.app import serve
from workers.settings import WorkerSettings

if __name__ == "__main__":
    database_url, redis_url, port, *jobs = sys.argv[1:]
    settings = WorkerSettings(
        database_url=database_url,
        redis_url=redis_url,
        jobs_redis_url=jobs[0] if jobs else None,
        encryption_keys=(KEY,),
        metrics_port=int(port),
    )
    asyncio.run(serve(settings))
