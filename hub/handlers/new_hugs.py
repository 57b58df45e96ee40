"""What a command that hugs somebody becomes, once everything is checked that needs no look into the database."""

import msgspec

from domain.errors import Invalid
from domain.hugs import check_kind, check_message, check_style
from domain.times import rfc3339
from hub.handlers.ports import Actor
from protocol.codec import encode_body
from protocol.commands import HugSend
from protocol.events import HugReceived
from protocol.parts import UserRef
from storage.hug_commits import NewHug


def build_hug(actor: Actor, command: HugSend, kinds: frozenset[str], now_ms: int) -> NewHug:
    """The hug that *command* asks for, sent now. Raises: Invalid, TooLarge."""
    check_kind(command.kind, kinds)
    if command.message is not None:
        check_message(command.message)
    style: str | None = None
    if command.style is not None:
        style = _encode_style(command)
    recipient = command.to.lower()
    if recipient == actor.user:
        raise Invalid("A hug goes to somebody else.")
    event = HugReceived(
        at=rfc3339(now_ms),
        id=command.id.lower(),
        from_=UserRef(actor.user, actor.name),
        kind=command.kind,
        message=command.message,
        style=command.style,
        request=command.request.lower() if command.request is not None else None,
    )
    return NewHug(event.id, actor.user, recipient, command.kind, command.message, style, encode_body(event), now_ms)


def _encode_style(command: HugSend) -> str:
    assert command.style is not None  # noqa: S101  the caller looked
    try:
        style = msgspec.json.encode(command.style)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError):
        raise Invalid("A style holds only what JSON can say.") from None
    check_style(command.style, len(style))
    return style.decode()
