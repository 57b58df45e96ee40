"""Where bad manners are shown, and how a client that has them says things, byte by byte."""

import time
from typing import Any

import msgspec

from tests.support.hubs import HubProcess, Person
from tests.support.wire import (
    TEXT,
    build_frame,
)


class Place(msgspec.Struct):
    """One hub for the module, and three friends: who misbehaves, a friend, a bystander."""

    hub: HubProcess
    rude: Person
    friend: Person
    bystander: Person


def new_id() -> str:
    text = f"{time.time_ns():032x}"[-32:]
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"


def hug_to(person: Person, **more: Any) -> dict[str, Any]:
    return {"id": new_id(), "to": person.id, "kind": "bear", **more}


def text(payload: bytes | str, **frame: Any) -> bytes:
    return build_frame(TEXT, payload if isinstance(payload, bytes) else payload.encode(), **frame)
