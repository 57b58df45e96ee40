"""What the kernel holds for the sockets of this machine: sock_diag(7), as `ss -tm` asks it.

Everybody may ask; what is told of a socket is the memory that the kernel has taken for it, not what it may take.
"""

import socket
import struct
from collections.abc import Iterator

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
_SKMEMINFO = 7  # the attribute INET_DIAG_SKMEMINFO
_ALL_STATES = 0xFFF & ~(1 << 10)  # but listening ones
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE_BYTES = 72  # struct inet_diag_msg, before its attributes
_RECEIVE_BYTES = 1 << 16


def kernel_kib(port: int) -> float:
    """What the kernel holds for all TCP connections whose local port is *port*: a server's side of them. Raises: OSError."""
    return sum(_held(port, family) for family in (socket.AF_INET, socket.AF_INET6)) / 1024


def _held(port: int, family: int) -> int:
    total = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_SKMEMINFO - 1), _ALL_STATES)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + body)
        for message in _answers(netlink):
            if int.from_bytes(message[4:6]) == port:
                total += _memory(message[_MESSAGE_BYTES:])
    return total


def _answers(netlink: socket.socket) -> Iterator[bytes]:
    while True:
        data = netlink.recv(_RECEIVE_BYTES)
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -int.from_bytes(data[_HEADER.size : _HEADER.size + 4], "little", signed=True)
                raise OSError(code, "the kernel does not tell of sockets")
            yield data[_HEADER.size : length]
            data = data[length:]


def _memory(attributes: bytes) -> int:
    """Bytes received, to be sent, reserved, of options and in the backlog: r, w, f, o and bl of `ss -tm`."""
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == _SKMEMINFO:
            received, _, _, _, reserved, queued, options, backlog = struct.unpack_from("=8I", attributes, 4)
            return int(received + queued + reserved + options + backlog)
        attributes = attributes[(length + 3) & ~3 :]
    return 0
