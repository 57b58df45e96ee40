"""Badges on two devices: what is seen on one, or read by REST, the other hears of, on whichever node it is."""

import pytest

from tests.integration.test_receipts import hug, rest
from tests.support.hubs import StartHub, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.mark.parametrize("is_far", [False, True])
async def test_what_is_seen_on_one_device_is_counted_on_the_other(
    start_hub: StartHub, database_url: str, is_far: bool
) -> None:
    one = await start_hub()
    two = await start_hub() if is_far else one
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(one.url, bo.access_token) as phone,
        await Wire.log_in(two.url, bo.access_token, device="laptop") as laptop,
    ):
        hugs = [await hug(at_ana, bo) for _ in range(3)]
        assert (await phone.ask("hug.seen", ids=hugs[:1]))["type"] == "ok"
        assert (await laptop.hear("notification.unread"))["unread"] == 2
        assert (await laptop.ask("hug.seen", ids=hugs[1:2]))["type"] == "ok"
        assert (await phone.hear("notification.unread"))["unread"] == 1, "and nothing of what it has done itself"
        await rest(one, bo, "POST", "/v1/hugs/seen", {"ids": hugs[2:]})
        for device in (phone, laptop):
            assert (await device.hear("notification.unread"))["unread"] == 0, "by REST: in no session"


async def test_a_change_reaches_every_device_in_order(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(one.url, bo.access_token) as phone,
        await Wire.log_in(two.url, bo.access_token, device="laptop") as laptop,
    ):
        for _ in range(2):
            await hug(at_ana, bo)
        seq = (await phone.hear("hug.received"))["seq"]
        await rest(two, bo, "POST", "/v1/me/notifications/read", {"ids": [seq]})
        await rest(one, bo, "POST", "/v1/me/notifications/read-all")
        for device in (phone, laptop):
            first, second = await device.hear("notification"), await device.hear("notification")
            assert (first["ids"], first["unread"], second["unread"]) == ([seq], 1, 0)
            assert second["seq"] == first["seq"] + 1
