"""The real worker process: `python -m tests.support.care_worker DATABASE_URL REDIS_URL METRICS_PORT`."""

import asyncio
import sys

from workers.app import serve
from workers.settings import WorkerSettings

if __name__ == "__main__":
    asyncio.run(serve(WorkerSettings(database_url=sys.argv[1], redis_url=sys.argv[2], metrics_port=int(sys.argv[3]))))
