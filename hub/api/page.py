"""The readable page of the REST API at /docs: one HTML file without scripts or anything from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
article { margin: 1.25rem 0; padding: .75rem 1rem; border: 1px solid #8885; border-radius: .5rem; }
h3 { margin: 0; font: 600 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
h3 b { display: inline-block; min-width: 4.2rem; color: #b4235a; }
p { margin: .4rem 0; } code { font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; font-size: .92em; }
th, td { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; }
th:first-child, td:first-child { width: 11rem; }
@media (prefers-color-scheme: dark) { h3 b { color: #ff8fb6; } }
"""


def render(document: dict[str, Any]) -> str:
    """*document*, OpenAPI, as HTML."""
    schemas = document["components"]["schemas"]
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>HugMood REST</title><style>{_STYLE}</style></head><body><main>",
        "<h1>HugMood REST</h1>",
        f"<p>{escape(document['info']['description'])} ",
        "The same as data: <a href='/openapi.json'>/openapi.json</a>.</p>",
        "<p>Errors are <code>application/problem+json</code> with the protocol’s <code>code</code>.</p>",
        "<p>Lists page by limit and cursor. Unknown fields are refused. A body has at most 16 KiB, unless 413 says more.</p>",
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        for path, method, operation in _operations(document, tag["name"]):
            parts.extend(_article(path, method, operation, schemas))
    parts.append("<h2>Shapes</h2>")
    for name, schema in schemas.items():
        parts.append(_shape(name, schema))
    parts.append("</main></body></html>")
    return "".join(parts)


def _operations(document: dict[str, Any], tag: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if tag in operation["tags"]:
                yield path, method.upper(), operation


def _article(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    yield f"<article><h3><b>{method}</b> {escape(path)}</h3><p>{escape(operation['summary'])}</p>"
    security = operation.get("security")
    if security:
        what = "API key" if "api_key" in security[0] else "Access token"
        yield f"<p>{what}: {'optional' if {} in security else 'needed'}.</p>"
    if operation.get("parameters"):
        yield _table("Parameters", [(p["name"], p["schema"], p["required"]) for p in operation["parameters"]])
    if "requestBody" in operation:
        body = _resolve(operation["requestBody"]["content"]["application/json"]["schema"], schemas)
        required = body.get("required", ())
        yield _table("Body", [(name, inner, name in required) for name, inner in body["properties"].items()])
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            ((media_type, content),) = response["content"].items()
            reply = _resolve(content["schema"], schemas)
            if "properties" not in reply:
                yield f"<p>Answer {status}: <code>{escape(media_type)}</code>.</p>"
                continue
            yield _table(f"Answer {status}", [(name, inner, True) for name, inner in reply["properties"].items()])
    refusals = sorted(status for status in operation["responses"] if not status.startswith("2"))
    yield f"<p>Refusals: {', '.join(refusals) or 'none'}.</p></article>"


def _shape(name: str, schema: dict[str, Any]) -> str:
    about = f"<article id='{escape(name)}'><h3>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p>"
    if "properties" not in schema:
        return f"{about}<p><code>{escape(_kind(schema))}</code></p></article>"
    required = schema.get("required", ())
    rows = [(field, inner, field in required) for field, inner in schema["properties"].items()]
    return about + _table("Fields", rows) + "</article>"


def _table(title: str, rows: Sequence[tuple[str, dict[str, Any], bool]]) -> str:
    lines = [
        f"<tr><td><code>{escape(name)}{'' if required else '?'}</code></td><td>{escape(_kind(schema))}</td></tr>"
        for name, schema, required in rows
    ]
    return f"<table><thead><tr><th>{escape(title)}</th><th></th></tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = str(schema.get("type", "anything"))
    described = schema.get("description")
    return f"{kind}: {described}" if described else kind


def _resolve(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return resolved
