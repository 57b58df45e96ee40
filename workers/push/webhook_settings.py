"""The server of the app's owner that pushes are posted to."""

import base64
from typing import Self

from msgspec import Struct
from yarl import URL

from workers.push.addresses import Network, is_allowed_url, load_networks

SECRET_BYTES = range(24, 65)  # Standard Webhooks, signature scheme
URL_FORM = (
    "must be a URL such as https://app.example/hooks, without a user, of a public address; "
    "http, and addresses that are not public, only within HUGMOOD_WEBHOOK_NETWORKS"
)
SECRETS_FORM = "must be whsec_ and 24 to 64 bytes in base64; several with commas between them, the newest first"

_PREFIX = "whsec_"


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """One server. Its repr shows neither the URL, which may hold a secret, nor the *secrets*."""

    url: str
    secrets: tuple[bytes, ...]
    networks: tuple[Network, ...] = ()

    @classmethod
    def load(cls, url: str, secrets: str, networks: str = "") -> Self:
        """Raises: ValueError, with one argument for each thing that is wrong, which says what is allowed."""
        problems: list[str] = []
        allowed: tuple[Network, ...] = ()
        keys: tuple[bytes, ...] = ()
        try:
            allowed = load_networks(networks)
        except ValueError as error:
            problems.extend(error.args)
        try:
            keys = _load_secrets(secrets)
        except ValueError:
            problems.append(SECRETS_FORM)
        if not is_allowed_url(url.strip(), allowed):
            problems.append(URL_FORM)
        if problems:
            raise ValueError(*problems)
        return cls(url=url.strip(), secrets=keys, networks=allowed)

    def __repr__(self) -> str:
        return f"WebhookSettings({URL(self.url).host})"


def _load_secrets(text: str) -> tuple[bytes, ...]:
    """Raises: ValueError, which may quote them."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    bare = [item.removeprefix(_PREFIX).rstrip("=") for item in items]
    secrets = tuple(base64.b64decode(each + "=" * (-len(each) % 4), validate=True) for each in bare)
    is_good = all(item.startswith(_PREFIX) for item in items) and all(len(each) in SECRET_BYTES for each in secrets)
    if not secrets or not is_good:
        raise ValueError
    return secrets
