"""Endpoints of devices that pushes go to."""

from collections.abc import Sequence
from typing import cast

from hub.api.endpoints import Auth, Call, Endpoint
from hub.handlers.devices import DeviceHandlers
from hub.tokens import Claims
from protocol.codes import ErrorCode
from protocol.events import Ok
from protocol.rest import Page
from protocol.rest_push import Device, DeviceChange, NewDevice, PushKey


class _Devices:
    """Hands on to the handlers."""

    def __init__(self, devices: DeviceHandlers) -> None:
        self._devices = devices

    async def register(self, call: Call) -> Device:
        return await self._devices.register(call.actor, cast("Claims", call.claims).sid, call.body)

    async def list(self, call: Call) -> Page[Device]:
        return Page(list(await self._devices.load(call.actor)), None)

    async def change(self, call: Call) -> Device:
        return await self._devices.change(call.actor, call.id, call.body)

    async def delete(self, call: Call) -> Ok:
        await self._devices.delete(call.actor, call.id)
        return Ok(id=call.id, state="deleted")

    async def push_key(self, _call: Call) -> PushKey:
        return await self._devices.push_key()


def device_endpoints(devices: DeviceHandlers) -> Sequence[Endpoint]:
    """`/v1/me/devices*` and `/v1/push/key`."""
    endpoints = _Devices(devices)
    return (
        Endpoint(
            method="POST",
            path="/v1/me/devices",
            summary="Push to this device, until the log-in is ended. The same again renews it; of 20 the one longest unused makes room.",
            group="Devices",
            handle=endpoints.register,
            body=NewDevice,
            reply=Device,
        ),
        Endpoint(
            method="GET",
            path="/v1/me/devices",
            summary="One's devices, the one used last first; all on one page.",
            group="Devices",
            handle=endpoints.list,
            reply=Page[Device],
        ),
        Endpoint(
            method="PATCH",
            path="/v1/me/devices/{id}",
            summary="Change the name or the language of a device.",
            group="Devices",
            handle=endpoints.change,
            body=DeviceChange,
            reply=Device,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="DELETE",
            path="/v1/me/devices/{id}",
            summary="Push to this device no more.",
            group="Devices",
            handle=endpoints.delete,
            reply=Ok,
        ),
        Endpoint(
            method="GET",
            path="/v1/push/key",
            summary="The key that a browser subscribes to Web Push with.",
            group="Devices",
            handle=endpoints.push_key,
            reply=PushKey,
            auth=Auth.IGNORED,
        ),
    )
