"""The credential of Apple's push service that a worker pushes with."""

import re
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

URL = "https://api.push.apple.com"


class ApnsSettings(Struct, frozen=True, kw_only=True):
    """A credential of Apple's and the app it is for. *url*: of the service; the other one is Apple's for development."""

    key: EllipticCurvePrivateKey
    key_id: str
    team_id: str
    topic: str
    url: str = URL

    @classmethod
    def load(cls, key: str, key_id: str, team_id: str, topic: str, url: str = URL) -> Self:
        """*key*: what is in the .p8 file. Raises: ValueError, with one argument for each thing that is wrong; none quotes it."""
        problems = []
        loaded = _load_key(key)
        if loaded is None:
            problems.append("the key must be what is in the .p8 file of Apple: a private key on P-256, as PEM")
        for name, value in (("key id", key_id), ("team id", team_id)):
            if not re.fullmatch(r"[0-9A-Z]{10}", value):
                problems.append(f"the {name} must be 10 of A-Z and 0-9")
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,255}", topic):
            problems.append("the topic must be the bundle id of the app, such as com.example.app")
        if not _is_origin(url):
            problems.append(f"the URL must be an https origin such as {URL}")
        if problems or loaded is None:
            raise ValueError(*problems)
        return cls(key=loaded, key_id=key_id, team_id=team_id, topic=topic, url=url)

    def __repr__(self) -> str:
        return f"ApnsSettings({self.key_id!r}, {self.team_id!r}, {self.topic!r}, {self.url!r})"


def _load_key(text: str) -> EllipticCurvePrivateKey | None:
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = load_pem_private_key(text.strip().encode(), password=None)
        if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
            return key
    return None


def _is_origin(url: str) -> bool:
    try:
        address = urlsplit(url)
        is_good = address.scheme == "https" and bool(address.hostname) and address.port != 0
    except ValueError:  # a port that is no number
        return False
    return is_good and not (address.path.strip("/") or address.query or address.fragment or address.username)
