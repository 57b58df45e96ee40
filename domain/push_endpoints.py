"""Where a Web Push may be sent: a subscription names a URL, and whoever makes one up must not have us call it.

Only the push services of browsers are called, and what the operator adds. An endpoint is held against one strict form,
so that no two readers of a URL can take it for different hosts.
"""

import re
from collections.abc import Collection

from domain.errors import Invalid

KNOWN_HOSTS = frozenset({"fcm.googleapis.com", "android.googleapis.com", "updates.push.services.mozilla.com"})
KNOWN_DOMAINS = (".push.services.mozilla.com", ".push.apple.com", ".notify.windows.com")  # any host within
HOSTS_FORM = "hosts such as push.example, push.example:8443 or http://127.0.0.1:9999, with commas between them"

_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])"
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_ENDPOINT = re.compile(rf"(?P<scheme>https?)://(?P<host>{_HOST}){_PORT}/[!-\[\]-~]*", re.ASCII | re.IGNORECASE)
_ENTRY = re.compile(rf"(?:https?://)?{_HOST}{_PORT}")
_USUAL_PORT = {"https": 443, "http": 80}


def load_hosts(text: str) -> frozenset[str]:
    """Further push services as the operator lists them, for `check_endpoint`. Raises: ValueError with what is allowed."""
    entries = frozenset(entry for item in text.split(",") if (entry := item.strip().lower()))
    for entry in entries:
        match = _ENTRY.fullmatch(entry)
        if match is None or int(match["port"] or 1) > 65_535:
            raise ValueError(f"must be {HOSTS_FORM}")
    return entries


def check_endpoint(url: str, more_hosts: Collection[str] = ()) -> str:
    """The origin (RFC 6454) of an endpoint that may be called: https, on the usual port of a known service.

    *more_hosts*: of `load_hosts`; only a whole origin among them allows plain http. Raises: Invalid.
    """
    match = _ENDPOINT.fullmatch(url)
    if match is None:
        raise Invalid("The endpoint must be a URL as the browser gives it: https, a host and a path, in ASCII.")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    port = int(match["port"] or _USUAL_PORT[scheme])
    is_usual = port == _USUAL_PORT[scheme]
    if not (scheme == "https" and is_usual and _is_known(host)) and not _is_listed(scheme, host, port, more_hosts):
        raise Invalid("The endpoint is not at a push service that this server knows.")
    return f"{scheme}://{host}" if is_usual else f"{scheme}://{host}:{port}"


def _is_known(host: str) -> bool:
    return host in KNOWN_HOSTS or (host.endswith(KNOWN_DOMAINS) and ".." not in host)


def _is_listed(scheme: str, host: str, port: int, entries: Collection[str]) -> bool:
    places = [f"{host}:{port}", host] if port == _USUAL_PORT[scheme] else [f"{host}:{port}"]
    return any(f"{scheme}://{place}" in entries or (scheme == "https" and place in entries) for place in places)
