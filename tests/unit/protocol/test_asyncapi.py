"""The AsyncAPI document: well formed by the rules of AsyncAPI 3, complete, and true to what the codec writes."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]  # comes with openapi-spec-validator, without types
import pytest

from protocol.asyncapi import asyncapi_document, type_name
from protocol.codec import Codec, encode, encode_body, numbered
from protocol.codes import CloseCode, ErrorCode
from protocol.commands import AnyCommand, FriendAnswer, Hello, HugSend, Ping
from protocol.events import Bye, Error, FriendAccepted, HugReceived, Ok, Presence, Welcome
from protocol.messages import DurableEvent, ServerMessage
from protocol.parts import FriendPresence, Limits, UserRef

pytestmark = pytest.mark.unit

ID = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
AT = "2026-01-31T12:00:00.000Z"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asyncapi_document()))
    return plain


def walk(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from walk(child, (*path, str(key)))


def resolve(document: dict[str, Any], ref: str) -> Any:
    assert ref.startswith("#/"), ref
    node: Any = document
    for part in ref[2:].split("/"):
        assert part in node, f"{ref} leads nowhere"
        node = node[part]
    return node


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    refs = [node for path, node in walk(document) if path and path[-1] == "$ref"]
    assert len(refs) > 60
    for ref in refs:
        resolve(document, ref)


def test_only_fields_the_specification_knows(document: dict[str, Any]) -> None:
    allowed = {
        "root": {
            "asyncapi",
            "id",
            "info",
            "servers",
            "defaultContentType",
            "channels",
            "operations",
            "components",
        },
        "info": {"title", "version", "description", "termsOfService", "contact", "license", "tags", "externalDocs"},
        "channel": {
            "address",
            "messages",
            "title",
            "summary",
            "description",
            "servers",
            "parameters",
            "tags",
            "externalDocs",
            "bindings",
        },
        "operation": {
            "action",
            "channel",
            "title",
            "summary",
            "description",
            "security",
            "tags",
            "externalDocs",
            "bindings",
            "traits",
            "messages",
            "reply",
        },
        "message": {
            "headers",
            "payload",
            "correlationId",
            "contentType",
            "name",
            "title",
            "summary",
            "description",
            "tags",
            "externalDocs",
            "bindings",
            "examples",
            "traits",
        },
    }
    assert document["asyncapi"] == "3.0.0"
    assert set(document) <= allowed["root"]
    assert set(document["info"]) <= allowed["info"]
    assert {"title", "version"} <= set(document["info"])
    for channel in document["channels"].values():
        assert set(channel) <= allowed["channel"]
    for operation in document["operations"].values():
        assert set(operation) <= allowed["operation"]
        assert operation["action"] in ("send", "receive")
    for message in document["components"]["messages"].values():
        assert set(message) <= allowed["message"]


def test_names_of_components_are_allowed_ones(document: dict[str, Any]) -> None:
    for components in document["components"].values():
        for name in components:
            assert re.fullmatch(r"[a-zA-Z0-9._-]+", name), name


def test_messages_of_operations_are_messages_of_their_channel(document: dict[str, Any]) -> None:
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        for part in (operation, operation.get("reply", {})):
            for message in part.get("messages", []):
                assert message["$ref"].startswith(f"{channel}/messages/")


def test_commands_are_received_and_events_are_sent(document: dict[str, Any]) -> None:
    received = {key for key, operation in document["operations"].items() if operation["action"] == "receive"}
    assert received == {f"command.{type_name(kind)}" for kind in get_args(AnyCommand)}
    sent = set(document["operations"]) - received
    for operation in document["operations"].values():
        sent |= {ref["$ref"].rpartition("/")[2] for ref in operation.get("reply", {}).get("messages", [])}
    assert sent == {f"event.{type_name(kind)}" for kind in get_args(ServerMessage)}


def test_durable_events_are_those_with_a_required_seq(document: dict[str, Any]) -> None:
    for kind in get_args(ServerMessage):
        message = document["components"]["messages"][f"event.{type_name(kind)}"]
        schema = resolve(document, message["payload"]["$ref"])
        is_durable = kind in get_args(DurableEvent)
        assert ({"name": "durable"} in message["tags"]) is is_durable
        if is_durable:
            assert "seq" in schema["required"]


def test_every_schema_is_a_schema_with_portable_patterns(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)  # what AsyncAPI 3 builds on
    patterns = [node for path, node in walk(document) if path and path[-1] == "pattern"]
    assert patterns
    assert not [pattern for pattern in patterns if r"\Z" in pattern]


def check(document: dict[str, Any], name: str, data: bytes) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.validate(json.loads(data), schema)


SAMPLES = [
    Ok(ref=1, id=ID, state="accepted", at=AT),
    Error(code=ErrorCode.RATE_LIMITED, message="m", retryable=True, retry_after_ms=5),
    Presence(user=ID, status="away", last_seen=None),
    Bye(code=CloseCode.DRAIN, reason="drain", reconnect=True, retry_after_ms=5),
    Welcome(
        session=ID,
        user=UserRef(ID, "Ana"),
        node=ID,
        epoch="e",
        head=1,
        acked=1,
        resumed=True,
        server_time=AT,
        heartbeat_ms=1,
        limits=Limits(1, 1, 1),
        friends=[FriendPresence(ID, "online")],
    ),
]


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: type(message).__name__)
def test_what_the_codec_writes_is_what_the_document_says(document: dict[str, Any], message: Any) -> None:
    check(document, f"events.{type(message).__name__}", encode(message, Codec.JSON))


@pytest.mark.parametrize(
    "event",
    [
        HugReceived(at=AT, id=ID, from_=UserRef(ID, "Ana"), kind="bear", style={"a": 1}),
        FriendAccepted(at=AT, user=UserRef(ID, "Ana")),
    ],
    ids=lambda event: type(event).__name__,
)
def test_durable_events_on_the_wire_are_what_the_document_says(document: dict[str, Any], event: Any) -> None:
    check(document, f"events.{type(event).__name__}", numbered(encode_body(event), 7))


@pytest.mark.parametrize(
    "command",
    [
        Hello(device="d", token="t"),
        Ping(ref="r"),
        HugSend(id=ID, to=ID, kind="bear"),
        FriendAnswer(from_=ID, accept=True),
    ],
    ids=lambda command: type(command).__name__,
)
def test_commands_on_the_wire_are_what_the_document_says(document: dict[str, Any], command: Any) -> None:
    check(document, f"commands.{type(command).__name__}", encode(command, Codec.JSON))


def test_the_document_refuses_what_the_codec_refuses(document: dict[str, Any]) -> None:
    for bad in ({"type": "ping", "loud": 1}, {"type": "pong"}, {"type": "ping", "ref": "r" * 65}):
        with pytest.raises(jsonschema.ValidationError):
            check(document, "commands.Ping", json.dumps(bad).encode())
