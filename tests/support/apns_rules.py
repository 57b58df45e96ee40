"""What APNs demands of a request, and with which reason it refuses one that is different."""

import re
import time
from collections.abc import Callable, Mapping
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from msgspec import Struct

TOKEN_MAX_AGE_S = 3_600
TOKEN_RENEWAL_S = 1_200
PAYLOAD_MAX_BYTES = 4_096
COLLAPSE_ID_MAX_BYTES = 64
PUSH_TYPES = frozenset(
    {"alert", "background", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity"}
)


class Refusal(Struct, frozen=True):
    """An answer that is no 200. *timestamp*: Unix ms, of a 410. *retry_after_s*: as a header."""

    status: int
    reason: str
    timestamp: int | None = None
    retry_after_s: int | None = None


class Rules:
    """Of one team and its app. *expired_before*: tokens signed before it (Unix s) count as an hour old."""

    def __init__(
        self,
        key: EllipticCurvePublicKey,
        key_id: str,
        team_id: str,
        topic: str,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.expired: set[str] = set()  # tokens that are to count as an hour old
        self.renewals_max = 2  # in 20 min
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._topic = topic
        self._now_s = now_s
        self._seen: dict[str, float] = {}  # when a token came for the first time

    def refusal(self, headers: list[tuple[str, str]], body: bytes) -> Refusal | None:
        """None: it is as it should be."""
        given = dict(headers)
        if len(given) != len(headers):
            return Refusal(400, "DuplicateHeaders")
        return (
            self._of_address(given)
            or self._of_token(given)
            or self._of_topic(given)
            or _of_headers(given)
            or _of_body(body)
        )

    def _of_address(self, given: Mapping[str, str]) -> Refusal | None:
        if given[":method"] != "POST":
            return Refusal(405, "MethodNotAllowed")
        found = re.fullmatch(r"/3/device/(.*)", given[":path"])
        if not found:
            return Refusal(404, "BadPath")
        if not found[1]:
            return Refusal(400, "MissingDeviceToken")
        return None if re.fullmatch(r"([0-9a-fA-F]{2}){32,100}", found[1]) else Refusal(400, "BadDeviceToken")

    def _of_token(self, given: Mapping[str, str]) -> Refusal | None:
        scheme, _, token = given.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return Refusal(403, "MissingProviderToken")
        try:
            claims = jwt.decode(
                token, self._key, algorithms=["ES256"], options={"require": ["iss", "iat"], "verify_iat": False}
            )
            is_ours = jwt.get_unverified_header(token).get("kid") == self._key_id and claims["iss"] == self._team_id
        except jwt.InvalidTokenError:
            is_ours = False
        if not is_ours:
            return Refusal(403, "InvalidProviderToken")
        now = self._now_s()
        if token in self.expired or claims["iat"] < now - TOKEN_MAX_AGE_S:
            return Refusal(403, "ExpiredProviderToken")
        self._seen.setdefault(token, now)
        if sum(since > now - TOKEN_RENEWAL_S for since in self._seen.values()) > self.renewals_max:
            return Refusal(429, "TooManyProviderTokenUpdates")
        return None

    def _of_topic(self, given: Mapping[str, str]) -> Refusal | None:
        if "apns-topic" not in given:
            return Refusal(400, "MissingTopic")
        return None if given["apns-topic"] == self._topic else Refusal(400, "TopicDisallowed")


def _of_headers(given: Mapping[str, str]) -> Refusal | None:
    push_type, priority = given.get("apns-push-type"), given.get("apns-priority", "10")
    if push_type not in PUSH_TYPES:
        return Refusal(400, "InvalidPushType")
    if priority not in {"10", "5", "1"} or (push_type == "background" and priority == "10"):
        return Refusal(400, "BadPriority")
    if not re.fullmatch(r"[0-9]{1,10}", given.get("apns-expiration", "0")):
        return Refusal(400, "BadExpirationDate")
    if len(given.get("apns-collapse-id", "").encode()) > COLLAPSE_ID_MAX_BYTES:
        return Refusal(400, "BadCollapseId")
    return None if _is_uuid(given.get("apns-id")) else Refusal(400, "BadMessageId")


def _is_uuid(text: str | None) -> bool:
    if text is None:  # then APNs makes one
        return True
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _of_body(body: bytes) -> Refusal | None:
    if not body:
        return Refusal(400, "PayloadEmpty")
    return Refusal(413, "PayloadTooLarge") if len(body) > PAYLOAD_MAX_BYTES else None
