"""The project of Firebase Cloud Messaging that a worker pushes with."""

import re
from typing import Self

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct
from yarl import URL

CREDENTIALS_FORM = (
    "must be the JSON of a service account: type service_account, project_id, client_email, private_key (PEM, RSA) "
    "and token_uri (https)"
)
URL_FORM = "must be an origin such as https://fcm.googleapis.com (plain http only on this machine)"

_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_PROJECT = re.compile(r"[a-z0-9.:-]{1,128}")


class Account(Struct, frozen=True, kw_only=True):
    """A service account. Its repr shows no secret."""

    email: str
    key_id: str
    key: rsa.RSAPrivateKey
    token_uri: str


class _Credentials(Struct):
    type: str
    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""


class FcmSettings(Struct, frozen=True, kw_only=True):
    """One project. Neither its repr nor an error shows the private key."""

    project: str
    account: Account
    url: str = "https://fcm.googleapis.com"

    @classmethod
    def load(cls, credentials_text: str, url: str = "https://fcm.googleapis.com") -> Self:
        """Raises: ValueError, with one argument for each thing that is wrong, which says what is allowed."""
        account, project = None, ""
        problems = [] if _ORIGIN.fullmatch(url.rstrip("/")) else [URL_FORM]
        try:
            given = msgspec.json.decode(credentials_text, type=_Credentials)
            account, project = _account(given), given.project_id
        except (ValueError, TypeError, RecursionError, UnsupportedAlgorithm):  # what they say may quote the key
            problems.append(CREDENTIALS_FORM)
        if problems or account is None:
            raise ValueError(*problems)
        return cls(project=project, account=account, url=url.rstrip("/"))


def _account(given: _Credentials) -> Account:
    key = load_pem_private_key(given.private_key.encode(), password=None)
    is_good = given.type == "service_account" and _PROJECT.fullmatch(given.project_id) and given.client_email
    uri = URL(given.token_uri)
    if not is_good or not isinstance(key, rsa.RSAPrivateKey) or not _ORIGIN.fullmatch(str(uri.origin())):
        raise ValueError
    return Account(email=given.client_email, key_id=given.private_key_id, key=key, token_uri=given.token_uri)
