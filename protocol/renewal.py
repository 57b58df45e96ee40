"""The access token of a client, and how it gets a newer one.

Invariant: the app is asked by one task at a time, and not again for a token it has just replaced:
each refresh rotates the refresh token, so asking twice could end the log-in.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

TokenSource = Callable[[], Awaitable[str]]

log = logging.getLogger("hugmood.client")


class TokenRefused(Exception):  # noqa: N818  what the app answers
    """For `on_token` to raise: there will be no new token, for instance because the person has logged out."""


class TokenKeeper:
    """The current token; `is_stale` once the server has said that it does not accept it."""

    def __init__(self, token: str, source: TokenSource | None) -> None:
        self.token = token
        self.is_stale = False
        self._source = source
        self._asking = asyncio.Lock()

    def can_renew(self) -> bool:
        """Is there anybody to ask?"""
        return self._source is not None

    async def renew(self) -> bool:
        """Ask the app for a token; False when it could not give one now. Raises: TokenRefused."""
        if self._source is None:
            return False
        old = self.token
        async with self._asking:
            if self.token == old:
                try:
                    self.token = await self._source()
                except TokenRefused:
                    raise
                except Exception:
                    log.exception("no new token; the client asks again")
                    return False
            self.is_stale = False
            return True
