"""The AsyncAPI 3.0 document of the socket, made from the structs that the codec itself uses.

It describes the hub: what the hub receives are commands, what it sends are replies and events. Invariant:
a command or event is in the document if and only if it is in the unions of commands.py and events.py.
"""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct

from protocol.codec import Codec
from protocol.commands import AnyCommand, Hello
from protocol.events import Bye, CaughtUp, Error, Ok, Welcome
from protocol.messages import DurableEvent, ServerMessage

VERSION = "1"
CHANNEL = "socket"
ADDRESS = "/v1/socket"

_CHANNEL_REF = {"$ref": f"#/channels/{CHANNEL}"}
_CORRELATION = {"$ref": "#/components/correlationIds/ref"}


def asyncapi_document() -> dict[str, Any]:
    """The whole document, as plain JSON."""
    commands, messages = get_args(AnyCommand), get_args(ServerMessage)
    schemas = _schemas("commands", commands) | _schemas("events", messages)
    for durable in get_args(DurableEvent):
        _number(schemas[f"events.{durable.__name__}"])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "HugMood",
            "version": VERSION,
            "description": (
                "Hugs between friends, never lost, doubled or out of order. One socket per device: commands go in, "
                "each with a `ref` gets exactly one `ok` or `error`; events come out, the durable ones with a `seq` "
                "that goes up by exactly one. Opening, closing and limits: protocol/PROTOCOL.md."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": "{host}",
                "protocol": "wss",
                "description": f"Any hub. Subprotocols: {', '.join(Codec)}.",
                "variables": {"host": {"default": "localhost:8080", "description": "Host and port of the hubs."}},
            }
        },
        "channels": {
            CHANNEL: {
                "address": ADDRESS,
                "title": "The socket of a device",
                "messages": {
                    **{_key(kind): _message_ref(_key(kind)) for kind in commands},
                    **{_key(kind): _message_ref(_key(kind)) for kind in messages},
                },
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            **{_key(kind): _receive(kind) for kind in commands},
            **{_key(kind): _send(kind) for kind in messages if kind not in (Ok, Error, Welcome, CaughtUp)},
        },
        "components": {
            "messages": {
                **{_key(kind): _message(kind, "commands") for kind in commands},
                **{_key(kind): _message(kind, "events") for kind in messages},
            },
            "schemas": schemas,
            "correlationIds": {"ref": {"location": "$message.payload#/ref", "description": "The client's own number."}},
        },
    }


def type_name(kind: type[Struct]) -> str:
    """What stands in `type`."""
    return str(kind.__struct_config__.tag)


def _key(kind: type[Struct]) -> str:
    """A name within the document: `hug.seen` is both a command and an event."""
    group = "command" if kind in get_args(AnyCommand) else "event"
    return f"{group}.{type_name(kind)}"


def _schemas(group: str, kinds: Iterable[type[Struct]]) -> dict[str, Any]:
    """The schemas of *kinds* and of what they contain, by `group.Name`."""
    _, components = msgspec.json.schema_components(kinds, ref_template=f"#/components/schemas/{group}.{{name}}")
    plain: dict[str, Any] = _portable({f"{group}.{name}": schema for name, schema in components.items()})
    return plain


def _portable(schema: Any) -> Any:
    """Patterns as ECMA-262 writes them: where Python says \\Z for the end of the text, JSON Schema says $."""
    if isinstance(schema, Mapping):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" and isinstance(value, str) else _portable(value)
            for key, value in schema.items()
        }
    return [_portable(item) for item in schema] if isinstance(schema, (list, tuple)) else schema


def _number(schema: dict[str, Any]) -> None:
    """On the wire a durable event always has its `seq`; only in the mailbox it is kept beside the body."""
    schema["properties"]["seq"] = {"type": "integer", "minimum": 1, "description": "Its place in the inbox."}
    schema["required"] = [*schema["required"], "seq"]


def _message_ref(key: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{key}"}


def _channel_message(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/channels/{CHANNEL}/messages/{_key(kind)}"}


def _message(kind: type[Struct], group: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": type_name(kind),
        "title": type_name(kind),
        "summary": (kind.__doc__ or "").strip(),
        "payload": {"$ref": f"#/components/schemas/{group}.{kind.__name__}"},
        "tags": [{"name": _tag(kind, group)}],
    }
    if group == "commands" or kind in (Ok, Error):
        message["correlationId"] = _CORRELATION
    return message


def _tag(kind: type[Struct], group: str) -> str:
    if group == "commands":
        return "command"
    if kind in get_args(DurableEvent):
        return "durable"
    return "reply" if kind in (Ok, Error) else "session" if kind in (Welcome, CaughtUp, Bye) else "ephemeral"


def _receive(kind: type[Struct]) -> dict[str, Any]:
    replies = (Welcome, CaughtUp, Ok, Error) if kind is Hello else (Ok, Error)
    return {
        "action": "receive",
        "channel": _CHANNEL_REF,
        "summary": (kind.__doc__ or "").strip(),
        "messages": [_channel_message(kind)],
        "reply": {"channel": _CHANNEL_REF, "messages": [_channel_message(reply) for reply in replies]},
    }


def _send(kind: type[Struct]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": _CHANNEL_REF,
        "summary": (kind.__doc__ or "").strip(),
        "messages": [_channel_message(kind)],
    }
