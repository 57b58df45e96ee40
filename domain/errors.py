"""Why something was refused, in the vocabulary that every layer shares.

Storage translates its libraries' exceptions into these; the hub turns them into replies (`ErrorCode`)
and problem documents. They never close a connection.
"""


class Refusal(Exception):  # noqa: N818  reads as what it is: not an error of ours
    """A command that was understood and not carried out. The message says what to do about it."""


class Invalid(Refusal):
    """The input breaks a rule. Sending the same again cannot help."""


class Unauthenticated(Refusal):
    """No token, or one that does not verify."""


class Forbidden(Refusal):
    """Known who it is, and not allowed."""


class NotFound(Refusal):
    """There is no such thing, or the asker must not learn that there is."""


class Conflict(Refusal):
    """It contradicts what is already stored."""


class Expired(Refusal):
    """It was possible until a moment ago."""


class TooLarge(Refusal):
    """More than the documented size."""


class RateLimited(Refusal):
    """Too many in too short a time; `retry_after_ms` says when it is possible again."""

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Unavailable(Refusal):
    """A server behind the hub does not answer. Nothing was half done; the same command may be sent again."""

    def __init__(
        self,
        message: str = "The service is briefly unavailable. Send the same command again.",
        retry_after_ms: int = 1000,
    ) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms
