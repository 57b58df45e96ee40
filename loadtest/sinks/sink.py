"""The process of a sink, as the conducting process sees it."""

import select
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from loadtest.server.stack import StackFailed, temporary_folder
from loadtest.sinks.counting import Taken
from loadtest.sinks.process import Ready

PROVIDERS = ("fcm", "apns", "webpush")
ANSWER_WITHIN_S = 15.0


class Sink:
    """One that runs. *settings*: what a server is told so that it pushes there."""

    def __init__(self, provider: str, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self._input, self._output = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        ready = msgspec.json.decode(self._line(), type=Ready)
        self.url = ready.url
        self.settings = {**_SETTINGS[provider](ready.url), "HUGMOOD_PUSH_CA_FILE": ready.certificate}

    def taken(self) -> Taken:
        """What has come so far. Raises: StackFailed."""
        self._input.write(b"\n")
        self._input.flush()
        return msgspec.json.decode(self._line(), type=Taken)

    def _line(self) -> bytes:
        if not select.select([self._output], [], [], ANSWER_WITHIN_S)[0] or not (line := self._output.readline()):
            raise StackFailed("the sink of pushes does not answer")
        return line


@contextmanager
def running_sink(provider: str) -> Iterator[Sink]:
    """Until the end of the block. Raises: StackFailed."""
    with temporary_folder() as folder:
        argv = (sys.executable, "-m", "loadtest.sinks.process", provider, str(folder))
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
            try:
                yield Sink(provider, process)
            finally:
                process.kill()


def _fcm(url: str) -> Mapping[str, str]:
    key = rsa.generate_private_key(65_537, 2_048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    credentials = {
        "type": "service_account",
        "project_id": "sink",
        "client_email": "sender@sink.invalid",
        "private_key": key.decode(),
        "token_uri": f"{url}/token",
    }
    return {"HUGMOOD_FCM_CREDENTIALS": msgspec.json.encode(credentials).decode(), "HUGMOOD_FCM_URL": url}


def _apns(url: str) -> Mapping[str, str]:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "HUGMOOD_APNS_KEY": key.decode(),
        "HUGMOOD_APNS_KEY_ID": "SINKSINK00",
        "HUGMOOD_APNS_TEAM_ID": "SINKSINK00",
        "HUGMOOD_APNS_TOPIC": "invalid.sink",
        "HUGMOOD_APNS_URL": url,
    }


def _webpush(url: str) -> Mapping[str, str]:
    return {"HUGMOOD_WEBPUSH_SUBJECT": "mailto:sender@sink.invalid", "HUGMOOD_WEBPUSH_HOSTS": url}


_SETTINGS = {"fcm": _fcm, "apns": _apns, "webpush": _webpush}


def browser_keys() -> dict[str, str]:
    """Of a Web Push subscription."""
    point = (
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    return {"p256dh": _base64url(point), "auth": _base64url(b"sixteen bytes ok")}


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
