"""Whatever a server says in whatever order: each request ends once, in one of its three ways, and nothing is raised elsewhere."""

import asyncio
from typing import Any

import pytest
from hpack import Encoder
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.push.http2_connection import PING, Connection, Response, Unanswered, Unprocessed

pytestmark = pytest.mark.property

REQUEST = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"apns"), (b":path", b"/3/device/a1")]
REQUESTS = 5
ENDS = st.sampled_from([(), ("END_STREAM",)])
STREAMS = st.sampled_from([1, 1, 3, 3, 5, 7, 9, 11, 2, 99])
STATUS_200, STATUS_410 = b"\x88", Encoder().encode([(":status", "410")])


def said(kind: type[Any], stream: Any = STREAMS, **given: Any) -> st.SearchStrategy[bytes]:
    return st.builds(kind, stream, **given).map(lambda frame: frame.serialize())


SAID = st.one_of(
    said(HeadersFrame, data=st.just(STATUS_200), flags=st.just(("END_HEADERS", "END_STREAM"))),
    said(HeadersFrame, data=st.just(STATUS_410), flags=ENDS.map(lambda flags: ("END_HEADERS", *flags))),
    said(DataFrame, data=st.binary(max_size=40), flags=ENDS),
    said(RstStreamFrame, error_code=st.sampled_from([0, 2, 7, 8, 99])),
    said(WindowUpdateFrame, st.sampled_from([0, 1, 3, 5]), window_increment=st.sampled_from([1, 50, 2**31 - 1])),
    said(
        SettingsFrame,
        st.just(0),
        settings=st.dictionaries(
            st.sampled_from([SettingsFrame.INITIAL_WINDOW_SIZE, SettingsFrame.MAX_CONCURRENT_STREAMS]),
            st.sampled_from([0, 1, 3, 100, 65_535]),
            min_size=1,
        ),
    ),
    said(SettingsFrame, st.just(0), flags=st.just(("ACK",))),
    said(PingFrame, st.just(0), opaque_data=st.just(PING), flags=st.sampled_from([(), ("ACK",)])),
    said(GoAwayFrame, st.just(0), last_stream_id=st.sampled_from([0, 1, 3, 2**31 - 1])),
    st.binary(max_size=20),
)
CANCELLED = st.integers(0, REQUESTS - 1)


class Wire(asyncio.Transport):
    """A transport without a network, which closes at once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.is_closed = False
        self._connection = connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name == "ssl_object" else default

    def selected_alpn_protocol(self) -> str:
        return "h2"

    def write(self, data: Any) -> None:
        assert not self.is_closed

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    abort = close


async def converse(steps: list[bytes | int], window: int) -> None:
    """*steps*: what the server says in one read, or which request is cancelled."""
    loop, wrong, lost = asyncio.get_running_loop(), list[Any](), list[Connection]()
    loop.set_exception_handler(lambda _loop, context: wrong.append(context))
    connection = Connection(lost.append, 1_000, 1_000)
    wire = Wire(connection)
    connection.connection_made(wire)
    connection.data_received(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: window}).serialize())
    until = loop.time() + 1_000
    asking = [asyncio.create_task(connection.request(REQUEST, b"x" * 90, until)) for _ in range(REQUESTS)]
    await asyncio.sleep(0)
    for step in steps:
        if isinstance(step, int):
            asking[step].cancel()
        elif not wire.is_closed:
            connection.data_received(step)
        await asyncio.sleep(0)
    connection.abort("the end")
    for ended in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(ended, Response | Unprocessed | Unanswered | asyncio.CancelledError)
    await connection.ended
    assert (wrong, lost) == ([], [connection])


@settings(max_examples=300)
@given(
    st.lists(st.lists(SAID, min_size=1, max_size=3).map(b"".join) | CANCELLED, max_size=12),
    st.sampled_from([10, 100, 65_535]),
)
def test_each_request_ends_once(steps: list[bytes | int], window: int) -> None:
    asyncio.run(converse(steps, window))
