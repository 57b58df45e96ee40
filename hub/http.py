"""The HTTP side of a connection: uvicorn's protocol with a deadline, a header cap, and our upgrade.

Invariant: a request's head costs at most `HEAD_MAX_BYTES` and `HEAD_WITHIN_S`; what is refused here is
answered before any work is done for it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.http11 import Request

from hub.admission import Admission, Refused
from hub.connection import as_transport
from hub.line import EXTENSION, Line
from hub.sweep import Sweep

HEAD_MAX_BYTES = 16 * 1024
HEAD_WITHIN_S = 5
LINGER_S = 2  # after a refusal the client's rest is read and thrown away: closing on unread bytes is a reset,
LINGER_BYTES = 256 * 1024  # which can take the answer with it (RFC 9112, section 9.6)

_TOO_LARGE = Refused(431, "The request's head is larger than 16 KiB.")
_TOO_SLOW = Refused(408, "The request's head took longer than 5 seconds.")


class _Deadline:
    """Stands in the sweep for a connection, and lets go of it."""

    __slots__ = ("due", "on_late")

    def __init__(self, on_late: Callable[[], None]) -> None:
        self.due = 0
        self.on_late: Callable[[], None] | None = on_late

    def check(self, now: int) -> int:
        if self.on_late is not None:
            self.on_late()
        return 0


class HttpConnection(HttpToolsProtocol):
    """One HTTP connection; after an accepted upgrade its transport belongs to a `Connection`."""

    def __init__(
        self,
        admission: Admission,
        sweep: Sweep,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._admission = admission
        self._sweep = sweep
        self._head_bytes = 0  # of the request whose head is still incomplete; -1 once it is complete
        self._has_had_head = False
        self._deadline = _Deadline(self.head_is_late)
        self._line: Line | None = None
        self._rest = b""  # what came behind the head of an upgrade
        self._lingers_for = -1  # bytes that are still thrown away after a refusal; -1 before one

    def _should_upgrade_to_ws(self) -> bool:
        return True  # ours, whatever WebSocket library uvicorn finds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: somebody has connected.

        Instead of uvicorn's: both addresses are asked for only when a request needs them, because the
        transport keeps the answers for as long as it lives, which for a socket is long.
        """
        self.transport = as_transport(transport)
        self.flow = FlowControl(self.transport)
        self.scheme = "https" if is_ssl(self.transport) else "http"
        self.connections.add(self)
        self._sweep.add(self._deadline, self._sweep.now + HEAD_WITHIN_S + 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is over."""
        self._deadline.on_late = None
        super().connection_lost(exc)
        if self._line is not None:
            self._line.lost()

    def head_is_late(self) -> None:
        """Sweep: a head that is still incomplete by now came too slowly."""
        if not self._has_had_head:
            self._refuse(_TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have arrived."""
        if self._lingers_for >= 0:
            self._lingers_for -= len(data)
            if self._lingers_for < 0:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        if self._head_bytes >= 0:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = data[upgrade.args[0] :]
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._head_bytes > HEAD_MAX_BYTES and not self.transport.is_closing():
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        super().on_message_begin()
        self._head_bytes = max(self._head_bytes, 0)
        if self._has_had_head:
            self._has_had_head = False
            self._sweep.add(self._deadline, self._sweep.now + HEAD_WITHIN_S + 1)

    def on_headers_complete(self) -> None:
        """httptools: the head is complete. One that is too large but came in one piece is refused here."""
        self._head_bytes = -1
        self._has_had_head = True
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_MAX_BYTES:
            self._head_bytes = HEAD_MAX_BYTES + 1
            return
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self.scope["server"] = get_local_addr(self.transport)
            self.scope["client"] = get_remote_addr(self.transport)
            self._line = self._line or Line(self.transport)
            self.scope["extensions"] = {EXTENSION: self._line}  # type: ignore[dict-item]  # an object, not a declaration
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """The head asks for a WebSocket: hand the transport over, or refuse."""
        # Nothing may hold on to this object once its transport belongs to another: it is worth several KB.
        self._deadline.on_late = None
        self.parser = None  # type: ignore[assignment]  # uvicorn does the same at the end of a connection
        self.connections.discard(self)
        if self._head_bytes > HEAD_MAX_BYTES:
            return
        headers = Headers()
        for name, value in self.headers:
            headers[name.decode("latin-1")] = value.decode("latin-1")
        request = Request(self.url.decode("latin-1"), headers, self.scope["method"])
        try:
            connection = self._admission.upgrade(as_transport(self.transport), request)
        except Refused as refused:
            self._refuse(refused)
            return
        self.transport.set_protocol(connection)
        if self._rest:
            connection.data_received(self._rest)

    def _refuse(self, refused: Refused) -> None:
        if self.transport.is_closing() or self._lingers_for >= 0:
            return
        self.transport.write(refused.response())
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._lingers_for = LINGER_BYTES
        self._deadline.on_late = self.transport.abort
        self._sweep.add(self._deadline, self._sweep.now + LINGER_S)
