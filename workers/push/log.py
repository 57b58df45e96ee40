"""The provider `log`: a line for each push, for a laptop and for whoever wants to see what would be sent.

The body is left out: it may name people.
"""

import logging
from types import TracebackType
from typing import Self

from workers.push.outgoing import Answer, Outgoing, Verdict

log = logging.getLogger("hugmood.push.log")


class LogProvider:
    """Takes everything."""

    name = "log"
    in_flight_max = 64

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def send(self, outgoing: Outgoing) -> Answer:
        """Always accepted."""
        content = outgoing.content
        log.info(
            "push: %s",
            content.title,
            extra={"kind": content.kind, "user": outgoing.user, "delivery": outgoing.id, "badge": content.badge},
        )
        return Answer(verdict=Verdict.ACCEPTED)
