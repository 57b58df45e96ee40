"""The connection below an HTTP request, for answers that take their time: what the application may know of it."""

import asyncio
from collections.abc import Callable

EXTENSION = "hugmood.line"  # where a request's `scope["extensions"]` has it


def nobody_cares() -> None:
    """What a line calls when it is lost and nobody has asked to be told."""


class Line:
    """One connection. `on_lost` is called once, at once, when it ends, whoever ended it."""

    __slots__ = ("is_lost", "on_lost", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.is_lost = False
        self.on_lost: Callable[[], None] = nobody_cares

    def lost(self) -> None:
        """It has ended."""
        self.is_lost = True
        self.on_lost()
