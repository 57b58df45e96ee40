"""The server that takes our mail, and who it is from."""

import ipaddress
import re
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import getaddresses
from enum import Enum
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from domain.accounts import check_email
from domain.errors import Invalid
from workers.push.email_message import ENCODED_WORD

URL_FORM = (
    "must be a URL such as smtp://user:password@mail.example:587 (STARTTLS) or smtps://user:password@mail.example:465; "
    "?tls=none only for a server on this machine"
)
SENDER_FORM = "must be an address such as hugs@app.example or HugMood <hugs@app.example>"

_PORTS = {"smtp": 587, "smtps": 465}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:.]{2,45}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
NO_ADDRESS = (Invalid, ValueError, MessageError, IndexError)  # what email.headerregistry raises, too


class Tls(Enum):
    """When a connection is encrypted."""

    FROM_THE_START = "smtps"
    REQUIRED = "starttls"
    IF_OFFERED = "starttls, if it is offered"
    NEVER = "none"


class EmailSettings(Struct, frozen=True, kw_only=True):
    """One server. Its repr shows neither *user* nor *password*."""

    host: str
    port: int
    sender: Address
    user: str | None = None
    password: str | None = None
    tls: Tls = Tls.IF_OFFERED

    @classmethod
    def load(cls, url: str, sender: str) -> Self:
        """Raises: ValueError, with one argument for each thing that is wrong, which says what is allowed."""
        problems: list[str] = []
        server: _Server | None = None
        address: Address | None = None
        try:
            server = _load_server(url.strip())
        except ValueError:  # what it says may quote the password
            problems.append(URL_FORM)
        try:
            address = _load_sender(sender.strip())
        except NO_ADDRESS:
            problems.append(SENDER_FORM)
        if server is None or address is None:
            raise ValueError(*problems)
        return cls(
            host=server.host,
            port=server.port,
            sender=address,
            user=server.user,
            password=server.password,
            tls=server.tls,
        )

    def __repr__(self) -> str:
        return f"EmailSettings({self.host}:{self.port}, {self.sender})"


class _Server(Struct, frozen=True):
    host: str
    port: int
    user: str | None
    password: str | None
    tls: Tls


def _load_server(url: str) -> _Server:
    """Raises: ValueError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    user = unquote(parts.username, errors="strict") if parts.username else None
    password = unquote(parts.password or "", errors="strict") if user else None
    is_odd = parts.path not in {"", "/"} or parts.fragment or parts.query not in {"", "tls=none"}
    is_unsafe = any(_CONTROLS.search(text) for text in (user or "", password or ""))
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0 or is_odd or is_unsafe:
        raise ValueError
    return _Server(host, port or _PORTS[parts.scheme], user, password, _load_tls(parts, has_password=user is not None))


def _load_tls(parts: SplitResult, *, has_password: bool) -> Tls:
    is_here = _is_loopback(parts.hostname or "")
    if parts.query:
        if not is_here or parts.scheme == "smtps":
            raise ValueError
        return Tls.NEVER
    if parts.scheme == "smtps":
        return Tls.FROM_THE_START
    return Tls.REQUIRED if has_password and not is_here else Tls.IF_OFFERED


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _load_sender(text: str) -> Address:
    """Raises: one of NO_ADDRESS."""
    ((name, address),) = getaddresses([text])  # ValueError, if there are more or none
    return load_address(text, name, address)


def load_address(text: str, name: str, address: str) -> Address:
    """*name* and *address* are all that *text* says. Raises: one of NO_ADDRESS."""
    if ENCODED_WORD in text or _CONTROLS.search(text):
        raise ValueError
    return Address(display_name=name, addr_spec=check_email(address))
