"""Whatever a message holds, as an event of a stream it is one event, with the message in its data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import encode_body, event_chunk, numbered
from protocol.events import CaughtUp, HugReceived, Presence
from protocol.parts import UserRef

pytestmark = pytest.mark.property

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def fields_of(chunk: bytes) -> dict[str, str]:
    """One event as the HTML standard reads it: lines end with CR, LF or both; a blank line ends the event."""
    text = chunk.decode().replace("\r\n", "\n").replace("\r", "\n")
    assert text.endswith("\n\n")
    lines = text[:-2].split("\n")
    assert "" not in lines, "that would be two events"
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    fields = dict(pairs)
    assert len(fields) == len(pairs)
    return fields


@given(st.integers(1, 2**53), st.text(), st.dictionaries(st.text(), values, max_size=4))
def test_a_durable_event(seq: int, message: str, style: dict[str, object]) -> None:
    event = HugReceived(
        at="2026-01-31T12:00:00.000Z",
        id="01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11",
        from_=UserRef("01981f6e-7d3a-7c21-9a44-2f0d6f1c2b12", message),
        kind="bear",
        message=message,
        style=style,
    )
    text = numbered(encode_body(event), seq)
    fields = fields_of(event_chunk(text))
    assert (fields["id"], fields["event"]) == (str(seq), "hug.received")
    assert json.loads(fields["data"]) == json.loads(text)


@given(st.dictionaries(st.text(), values, max_size=4), st.integers(1, 2**53))
def test_line_ends_between_tokens_do_not_end_the_data(style: dict[str, object], seq: int) -> None:
    for indented in (json.dumps({"type": "new.kind", "style": style}, indent=1), '{"type":\r"a",\r\n"b":1}'):
        fields = fields_of(event_chunk(numbered(indented.encode(), seq)))
        assert json.loads(fields["data"]) == {"seq": seq, **json.loads(indented)}


def test_only_durable_events_have_an_id() -> None:
    for message in (
        CaughtUp(seq=7),
        Presence(user="01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11", status="away", last_seen=None),
    ):
        assert "id" not in fields_of(event_chunk(encode_body(message)))
