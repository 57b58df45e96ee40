"""The endpoint of tracing: what became of a hug, for the two whose hug it is."""

from collections.abc import Callable, Sequence

from domain.hug_moments import no_such_hug
from domain.times import from_ms, rfc3339
from hub.api.endpoints import Call, Endpoint
from protocol.codes import ErrorCode
from protocol.rest_push import Trace, TraceStep
from storage.postgres import Database
from storage.traces import Step, load_life


class _Traces:
    """Reads only."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    async def trace(self, call: Call) -> Trace:
        user = call.actor.user
        life = await load_life(self._database, call.id, user)
        if life is None:
            raise no_such_hug()
        if user == life.hug["sender"]:
            return Trace(call.id, [step_of(step) for step in life.seen_by_sender()])
        steps = [step_of(step) for step in life.seen_by_recipient()]
        return Trace(call.id, steps, is_expired=life.is_expired(from_ms(self._clock())))


def step_of(step: Step) -> TraceStep:
    """As it is told."""
    return TraceStep(
        at=rfc3339(step.at_ms),
        what=step.what,
        detail=step.detail,
        device=step.device,
        provider=step.provider,
        delivery=step.delivery,
        nodes=list(step.nodes) if step.nodes is not None else None,
    )


def trace_endpoints(database: Database, clock: Callable[[], int]) -> Sequence[Endpoint]:
    """`/v1/hugs/{id}/trace`."""
    endpoints = _Traces(database, clock)
    return (
        Endpoint(
            method="GET",
            path="/v1/hugs/{id}/trace",
            summary="What became of a hug, and when: its sender and its recipient each see their own part.",
            group="Hugs",
            handle=endpoints.trace,
            reply=Trace,
            errors=(ErrorCode.NOT_FOUND,),
        ),
    )
