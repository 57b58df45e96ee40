"""How sessions end when it is not the client's idea: drain, log-out, expiry."""

import time

import httpx
import pytest

from deploy.children import CannotStart
from tests.support.hubs import HubProcess, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration


async def test_a_drain_says_bye_keeps_presence_and_loses_nothing(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token, after=0) as at_bo,
    ):
        await at_ana.hear("presence")
        pending = two.stop()
        # Nothing is read from Ana meanwhile: had anybody been announced offline, it would be waiting for her.
        assert await pending == 0
        ended = await at_bo.ended()
        assert ended.code == 4200
        assert ended.bye is not None
        assert (ended.bye["reason"], ended.bye["reconnect"]) == ("drain", True)
        sent = await at_ana.ask("hug.send", id="01981f6e-7d3a-7c21-9a44-000000000001", to=bo.id, kind="bear")
        assert sent["type"] == "ok"
        async with await Wire.log_in(one.url, bo.access_token, after=0, epoch=at_bo.welcome["epoch"]) as back:
            assert back.welcome["resumed"] is True
            assert (await back.hear("hug.received"))["seq"] == 1
            assert (await back.hear("caught_up"))["seq"] == 1
        assert [event for event in at_ana.kept() if event["type"] == "presence"] == []


async def test_logging_out_ends_the_sessions_of_that_log_in_on_every_node(start_hub: StartHub) -> None:
    one, two = await start_hub(), await start_hub()
    async with httpx.AsyncClient(base_url=one.url) as rest:
        first = (await rest.post("/v1/auth/anonymous", json={"name": "Ana"})).json()
        async with (
            await Wire.log_in(one.url, first["access_token"]) as here,
            await Wire.log_in(two.url, first["access_token"]) as there,
        ):
            out = await rest.post("/v1/auth/logout", json={"refresh_token": first["refresh_token"]})
            assert out.status_code in (200, 204)
            for wire in (here, there):
                ended = await wire.ended()
                assert ended.code == 4007
                assert ended.bye is not None
                assert ended.bye["reconnect"] is False
        async with await Wire.open(two.url) as refused:
            refused.say(type="hello", token=first["access_token"], device="d")
            assert (await refused.ended()).code == 4007


async def test_an_ending_token_is_told_and_can_be_renewed(hub: HubProcess, database_url: str) -> None:
    [ana] = await make_friends(database_url, 1, friends=0)
    now_ms = time.time_ns() // 1_000_000
    async with await Wire.log_in(hub.url, ana.token(now_ms, ttl_s=30)) as wire:
        await wire.hear("session.expiring")
        renewed = await wire.ask("auth.refresh", token=ana.token(now_ms, ttl_s=3_600))
        assert renewed["type"] == "ok"
        foreign = await wire.ask("auth.refresh", token="not a token")
        assert foreign["code"] == "unauthenticated"
    async with await Wire.log_in(hub.url, ana.token(now_ms, ttl_s=2)) as short:
        ended = await short.ended()
        assert (ended.code, ended.bye and ended.bye["reconnect"]) == (4300, True)


async def test_hubs_do_not_share_the_port_of_their_metrics(start_hub: StartHub) -> None:
    """Otherwise one would answer for another, and a hub that has not begun to listen would seem to be ready."""
    one = await start_hub()
    port = one.metrics_url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(CannotStart, match=f"127.0.0.1:{port} cannot be opened: in use"):
        await start_hub(metrics_port=port)
