"""Devices that are registered for pushes, over REST, as an app does."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from loadtest.clients.abreast import abreast
from loadtest.clients.people import Person
from loadtest.clients.wire import Lost

AT_ONCE = 32
CREATED = range(200, 300)


def fcm_device(user: str, _url: str, _keys: dict[str, str]) -> dict[str, Any]:
    """As long as those of Google."""
    return {"provider": "fcm", "token": f"{user}:{'APA91b':-<125}"}


def apns_device(user: str, _url: str, _keys: dict[str, str]) -> dict[str, Any]:
    """A device token looks like anybody's hash."""
    return {"provider": "apns", "token": hashlib.sha256(user.encode()).hexdigest()}


def webpush_device(user: str, url: str, keys: dict[str, str]) -> dict[str, Any]:
    """All browsers have the same *keys*: it costs the sender as much as if each had its own."""
    return {"provider": "webpush", "subscription": {"endpoint": f"{url}/{user}", "keys": keys}}


DEVICES: dict[str, Callable[[str, str, dict[str, str]], dict[str, Any]]] = {
    "fcm": fcm_device,
    "apns": apns_device,
    "webpush": webpush_device,
}


async def register_all(url: str, people: Sequence[Person], provider: str, push_url: str, keys: dict[str, str]) -> None:
    """One device for each of *people*. Raises: Lost."""

    async def register(person: Person) -> None:
        body = DEVICES[provider](person.id, push_url, keys)
        headers = {"Authorization": f"Bearer {person.access_token}"}
        try:
            async with session.post(f"{url}/v1/me/devices", json=body, headers=headers) as response:
                if response.status not in CREATED:
                    raise Lost(f"a device was not registered: {response.status} {(await response.text())[:300]}")
        except aiohttp.ClientError as error:
            raise Lost(f"a device was not registered: {error}") from error

    async with aiohttp.ClientSession() as session:
        await abreast(people, register, AT_ONCE)
