"""The OpenAPI 3.1 document, made from the declarations of the endpoints and the structs they name."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.api.endpoints import Auth, Endpoint
from hub.api.problems import MEDIA_TYPE, STATUS
from protocol.codes import ErrorCode
from protocol.rest import Problem

REF_TEMPLATE = "#/components/schemas/{name}"
VERSION = "1"
_ALWAYS = (ErrorCode.INVALID, ErrorCode.UNAVAILABLE, ErrorCode.INTERNAL)
_EXAMPLES = {
    ErrorCode.INVALID: "The request breaks a rule; `detail` says which.",
    ErrorCode.UNAUTHENTICATED: "No token, or one that does not verify or has expired.",
    ErrorCode.FORBIDDEN: "Not allowed.",
    ErrorCode.NOT_FOUND: "There is no such thing.",
    ErrorCode.CONFLICT: "It contradicts what is already stored.",
    ErrorCode.EXPIRED: "It was possible until a moment ago.",
    ErrorCode.TOO_LARGE: "The body is over {} KiB.",
    ErrorCode.RATE_LIMITED: "Too many; `Retry-After` and `retry_after_ms` say when again.",
    ErrorCode.UNAVAILABLE: "Briefly unavailable; `Retry-After` says when again.",
    ErrorCode.INTERNAL: "Our own fault.",
}


_SECURITY: dict[Auth, list[dict[str, list[str]]]] = {
    Auth.NEEDED: [{"access_token": []}],
    Auth.OPTIONAL: [{"access_token": []}, {}],
    Auth.SERVER: [{"api_key": []}],
}


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document, as plain JSON."""
    types = [Problem, *(kind for endpoint in endpoints for kind in _types(endpoint))]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF_TEMPLATE)
    refs = dict(zip((_key(kind) for kind in types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, refs)
    paths |= _probes()
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "HugMood",
            "version": VERSION,
            "description": "Accounts, friends and the history of hugs. What happens live happens at /v1/socket, or at /v1/events and /v1/poll for those who have none.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": group} for group in dict.fromkeys([*(e.group for e in endpoints), "Operation"])],
        "paths": paths,
        "components": {
            "schemas": _reached(paths, {name: _relaxed(schema) for name, schema in components.items()}),
            "securitySchemes": {
                "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "api_key": {"type": "http", "scheme": "bearer", "description": "Of `hugmood api-keys new`: hm_…"},
            },
        },
    }
    plain: dict[str, Any] = _portable(document)
    return plain


def _portable(schema: Any) -> Any:
    """Patterns as ECMA-262 writes them: where Python says \\Z for the end of the text, JSON Schema says $."""
    if isinstance(schema, list):
        return [_portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace(r"\Z", "$") if key == "pattern" and isinstance(value, str) else _portable(value)
        for key, value in schema.items()
    }


def _reached(paths: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Those *schemas* that *paths* refer to; queries are told as parameters."""
    reached: set[str] = set()
    waiting = [*_references(paths)]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _references(schemas[name])
    return {name: schemas[name] for name in sorted(reached)}


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)


def _types(endpoint: Endpoint) -> Iterator[Any]:
    yield endpoint.reply
    if endpoint.body is not None:
        yield endpoint.body
    if endpoint.query is not None:
        yield endpoint.query


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(endpoint: Endpoint, refs: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/', '_').replace('{', '').replace('}', '')}",
        "tags": [endpoint.group],
        "responses": {
            str(endpoint.status): {
                "description": "Done.",
                "content": {endpoint.media_type: {"schema": refs[_key(endpoint.reply)]}},
            },
            **_refusals(endpoint),
        },
    }
    parameters = [*_path_parameters(endpoint), *_query_parameters(endpoint), *_header_parameters(endpoint)]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.is_body_optional,
            "content": {"application/json": {"schema": refs[_key(endpoint.body)]}},
        }
    if endpoint.auth is not Auth.IGNORED:
        operation["security"] = _SECURITY[endpoint.auth]
    return operation


def _refusals(endpoint: Endpoint) -> dict[str, Any]:
    codes = {*_ALWAYS, *endpoint.errors}
    if endpoint.auth in (Auth.NEEDED, Auth.SERVER):
        codes |= {ErrorCode.UNAUTHENTICATED, ErrorCode.RATE_LIMITED}
    if endpoint.auth is Auth.SERVER:
        codes.add(ErrorCode.FORBIDDEN)
    if endpoint.body is not None:
        codes.add(ErrorCode.TOO_LARGE)
    schema = {"$ref": REF_TEMPLATE.format(name=Problem.__name__)}
    responses = {
        str(STATUS[code]): {
            "description": _EXAMPLES[code].format(endpoint.body_max_bytes // 1024),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for code in sorted(codes, key=STATUS.__getitem__)
    }
    if endpoint.body is not None:
        responses["415"] = {"description": "The body is not JSON.", "content": {MEDIA_TYPE: {"schema": schema}}}
    return responses


def _path_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    if "{id}" in endpoint.path:
        yield {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    if "{seq}" in endpoint.path:
        yield {"name": "seq", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}


def _query_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    if endpoint.query is None:
        return
    for name, schema in _properties(endpoint.query):
        schema = {key: value for key, value in schema.items() if key != "default" or value is not None}
        options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
        if len(options) == 1:  # absent, not null: a query has no null
            schema = {**{k: v for k, v in schema.items() if k != "anyOf"}, **options[0]}
        yield {"name": name, "in": "query", "required": name in _required(endpoint.query), "schema": schema}


def _header_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in endpoint.headers:
        yield {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}


def _properties(kind: type[Struct]) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = msgspec.json.schema(kind)
    definitions = schema["$defs"]
    for name, inner in definitions[kind.__name__]["properties"].items():
        yield name, _inlined(inner, definitions)


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """*schema* with what it refers to in its place: parameters have no definitions of their own."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _required(kind: type[Struct]) -> list[str]:
    required: list[str] = msgspec.json.schema(kind)["$defs"][kind.__name__].get("required", [])
    return required


def _relaxed(schema: dict[str, Any]) -> dict[str, Any]:
    """Commands are told apart by `type` on a socket; at an address of their own it may be left out."""
    required = schema.get("required", [])
    is_request = schema.get("additionalProperties") is False
    if is_request and "type" in required:
        return {**schema, "required": [name for name in required if name != "type"]}
    return schema


def _probes() -> dict[str, Any]:
    status = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
    ready = {**status, "properties": {**status["properties"], **_TEXTS}}  # type: ignore[dict-item]  # a literal above
    return {
        "/healthz": {"get": _probe("Is this node alive?", status, ("200",))},
        "/readyz": {"get": _probe("May this node get traffic? With what is wrong, if not.", ready, ("200", "503"))},
    }


_TEXTS = {name: {"type": "array", "items": {"type": "string"}} for name in ("problems", "warnings")}


def _probe(summary: str, schema: dict[str, Any], statuses: Sequence[str]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    names = {"200": "Yes.", "503": "No."}
    return {
        "summary": summary,
        "tags": ["Operation"],
        "responses": {status: {"description": names[status], "content": content} for status in statuses},
    }
