"""Is this node alive, and may it get traffic? Also the operators' port with the metrics."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import Refusal
from storage.migrate import SchemaMismatch, check
from storage.postgres import Database

CHECK_WITHIN_S = 2.0


class Health:
    """Answers `/healthz` and `/readyz`. Ready: PostgreSQL answers, its schema is ours, and no drain has begun."""

    def __init__(
        self,
        database: Database,
        is_hearing: Callable[[], bool],
        is_draining: Callable[[], bool],
        care_warning: Callable[[], str | None],
    ) -> None:
        self._database = database
        self._is_hearing = is_hearing
        self._is_draining = is_draining
        self._care_warning = care_warning

    async def healthz(self, _request: Request) -> Response:
        """The event loop turns."""
        return JSONResponse({"status": "alive"})

    async def readyz(self, _request: Request) -> Response:
        """200 or 503, with what is wrong. Redis is a warning: without it hugs are late, not lost."""
        problems = []
        if self._is_draining():
            problems.append("draining")
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                await check(self._database)
        except (Refusal, SchemaMismatch, TimeoutError) as error:
            problems.append(f"postgresql: {error}" if str(error) else "postgresql does not answer")
        warnings = [] if self._is_hearing() else ["redis: away; delivery between nodes is late"]
        if care := self._care_warning():
            warnings.append(care)
        status = "not ready" if problems else "ready"
        body = {"status": status, "problems": problems, "warnings": warnings}
        return JSONResponse(body, status_code=503 if problems else 200)

    def routes(self) -> list[Route]:
        """For the public port and for the operators' one."""
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz)]


def operators_app(health: Health, registry: CollectorRegistry) -> Starlette:
    """`/metrics` beside the probes, on its own port."""

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    endpoint: Callable[[Request], Awaitable[Response]] = metrics
    return Starlette(routes=[*health.routes(), Route("/metrics", endpoint)])
