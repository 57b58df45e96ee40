"""Devices that pushes go to: registering, naming and removing them, and the key that browsers subscribe with."""

from collections.abc import Callable, Collection, Sequence

import msgspec

from domain.accounts import check_name
from domain.devices import check_apns, check_fcm, check_subscription
from domain.errors import Invalid, NotFound
from domain.times import from_ms, rfc3339
from hub.handlers.ports import Actor
from protocol.rest_push import Device, DeviceChange, NewDevice, Provider, PushKey
from storage.devices import (
    DeviceRecord,
    Registration,
    change_device,
    delete_device,
    hash_token,
    load_devices,
    save_device,
)
from storage.encryption import KeyRing
from storage.own_keys import token_hash_key, vapid_keys
from storage.postgres import Database

USUAL_NAMES = {Provider.FCM: "Phone", Provider.APNS: "Apple device", Provider.WEBPUSH: "Browser"}


class DeviceHandlers:
    """All raise: Refusal. *webpush_hosts*: further push services, as `check_endpoint` has them."""

    def __init__(
        self, database: Database, ring: KeyRing, clock: Callable[[], int], webpush_hosts: Collection[str] = ()
    ) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._webpush_hosts = webpush_hosts
        self._hash_key: bytes | None = None  # these two never change once they are made
        self._public_key: str | None = None

    async def register(self, actor: Actor, sid: str, body: NewDevice) -> Device:
        """Push to this device from now on, as long as the log-in *sid* is not ended; the same again renews it."""
        token, found_by = self._target(body)
        if self._hash_key is None:
            self._hash_key = await token_hash_key(self._database, self._ring)
        registration = Registration(
            user=actor.user,
            sid=sid,
            provider=body.provider,
            token=token,
            token_hash=hash_token(self._hash_key, found_by),
            name=check_name(body.name) if body.name is not None else None,
            usual_name=USUAL_NAMES[body.provider],
            language=body.language,
        )
        return _shown(await save_device(self._database, self._ring, registration, from_ms(self._clock())))

    def _target(self, body: NewDevice) -> tuple[str, str]:
        """What a push is sent to, and what that is found by."""
        if body.provider is Provider.WEBPUSH:
            subscription = body.subscription
            if subscription is None or body.token is not None:
                raise Invalid("Web Push has a `subscription` and no `token`.")
            keys = subscription.keys
            check_subscription(subscription.endpoint, keys.p256dh, keys.auth, self._webpush_hosts)
            return msgspec.json.encode(subscription).decode(), subscription.endpoint
        if body.token is None or body.subscription is not None:
            raise Invalid("FCM and APNs have a `token` and no `subscription`.")
        token = check_fcm(body.token) if body.provider is Provider.FCM else check_apns(body.token)
        return token, token

    async def load(self, actor: Actor) -> Sequence[Device]:
        """One's devices, the one used last first."""
        return [_shown(record) for record in await load_devices(self._database, actor.user)]

    async def change(self, actor: Actor, device: str, change: DeviceChange) -> Device:
        """Change what *change* names."""
        name = check_name(change.name) if change.name is not None else None
        record = await change_device(self._database, actor.user, device, name, change.language)
        if record is None:
            raise NotFound("No such device.")
        return _shown(record)

    async def delete(self, actor: Actor, device: str) -> None:
        """Push to it no more; one that is gone already is no mistake."""
        await delete_device(self._database, actor.user, device)

    async def push_key(self) -> PushKey:
        """What a browser subscribes with."""
        if self._public_key is None:
            self._public_key = (await vapid_keys(self._database, self._ring)).public
        return PushKey(self._public_key)


def _shown(record: DeviceRecord) -> Device:
    return Device(
        id=record.id,
        provider=Provider(record.provider),
        name=record.name,
        language=record.language,
        registered_at=rfc3339(record.registered_ms),
        used_at=rfc3339(record.used_ms),
    )
