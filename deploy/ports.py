"""Loopback ports: free ones, remembered ones, and the one that several hubs share.

Invariant: what we choose lies below the range the kernel takes for outgoing connections, so that no client of ours
can sit on the port of a server that is being restarted.
"""

import errno
import random
import socket
from pathlib import Path

from deploy.children import CannotStart

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 10_000
TRIES = 200
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(remembered: int | None = None) -> int:
    """A port of 127.0.0.1 that nobody listens on: the remembered one if possible. Raises: CannotStart."""
    if remembered and _is_free(remembered):
        return remembered
    highest = _ephemeral_start() - 1
    for _ in range(TRIES):
        port = random.randint(LOWEST_PORT, highest)  # noqa: S311  spread, not secrecy
        if _is_free(port):
            return port
    raise CannotStart(f"No free port found between {LOWEST_PORT} and {highest}.")


def reserve(host: str, port: int) -> socket.socket:
    """Take *port* (0: any free one) for hubs that will share it, as long as the returned socket is open.

    It never listens, so no connection goes to it. It is bound before it may be shared: otherwise the listener of
    another program that also shares would go unnoticed. Raises: CannotStart if the address is in use or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        _bind(sock, host, port or free_port())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} of {host} is in use by another program: choose another with --port."
            ) from error
        raise CannotStart(f"Cannot listen on {host}, port {port}: {error.strerror or error}.") from error
    return sock


def _bind(sock: socket.socket, host: str, port: int) -> None:
    """Without SO_REUSEADDR if possible, so that nobody else who has not begun to listen gets the port as well.

    With it if what is in the way only lingers in TIME_WAIT. Raises: OSError.
    """
    try:
        sock.bind((host, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what only lingers in TIME_WAIT does not count
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        start = 32_768
    return max(start, LOWEST_PORT + 1_000)
