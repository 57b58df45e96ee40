"""h2 as a client needs it: frames in and out, without I/O, and without what makes it slow or end too early."""

from collections.abc import Iterable

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection, H2ConnectionStateMachine
from h2.events import Event
from h2.settings import SettingCodes, Settings
from hpack import Encoder

CLOSED_STREAMS_MAX = 256  # h2 keeps them until it is asked to count
HEADERS_MAX_BYTES = 65_536


class _StateMachine(H2ConnectionStateMachine):
    """A GOAWAY does not end the connection: streams up to the one it names go on (RFC 9113, 6.8), which h2 does not do."""

    def process_input(self, input_: ConnectionInputs) -> list[Event]:
        return [] if input_ is ConnectionInputs.RECV_GOAWAY else super().process_input(input_)


class _Encoder(Encoder):
    """Without Huffman coding: in Python it costs more than all the rest of a request."""

    def encode(self, headers: Iterable[tuple[bytes, bytes]], huffman: bool = False) -> bytes:  # type: ignore[override]
        return super().encode(headers, huffman)


class Framing(H2Connection):
    """h2 with `open_streams` that are counted by us: its own way is to look at all of them for each new one."""

    def __init__(self) -> None:
        super().__init__(H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False))
        self.state_machine = _StateMachine()
        self.encoder = _Encoder()
        self.open_streams = 0
        asked = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: HEADERS_MAX_BYTES}
        self.local_settings = Settings(client=True, initial_values=asked)
        del self.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]  # of servers

    @property
    def open_outbound_streams(self) -> int:
        if len(self.streams) > self.open_streams + CLOSED_STREAMS_MAX:
            return super().open_outbound_streams  # forgets those that are closed
        return self.open_streams
