"""Connections that break while people hug each other: nothing is lost, nothing is doubled."""

import os
import signal
from collections.abc import Callable
from urllib.parse import urljoin

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Stack
from tests.browser.proxy import CuttableProxy
from tests.browser.window import BACK_MS, Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]


@pytest.fixture
def friends(window: MakeWindow, proxy: CuttableProxy) -> tuple[Window, Window]:
    """Ana, whose connection can be cut, and Zoë, whose is sound."""
    ana, zoe = window("Ana", through=proxy).come_in(), window("Zoë").come_in()
    ana.befriend(zoe)
    return ana, zoe


def test_hugs_both_ways_while_cut_off_arrive_once_and_in_order(
    friends: tuple[Window, Window], proxy: CuttableProxy
) -> None:
    ana, zoe = friends
    zoe.hug(ana, "before")
    expect(ana.received("before")).to_be_visible()

    proxy.cut()
    ana.is_not_live()
    expect(ana.page.locator("#connection-text")).to_have_text("Reconnecting")
    for number in range(4):
        zoe.hug(ana, f"to Ana {number}")
        ana.hug(zoe, f"to Zoë {number}")
    expect(ana.receipt("to Zoë 3")).to_have_text("Waits for the connection")
    expect(zoe.receipt("to Ana 3")).to_have_text("Sent")
    assert proxy.refused > 0

    proxy.mend()
    ana.is_live(BACK_MS)
    expect(ana.receipt("to Zoë 3")).to_have_text("Seen")
    expect(ana.received()).to_have_count(5)
    assert ana.received_messages() == ["before", *(f"to Ana {number}" for number in range(4))]
    expect(zoe.received()).to_have_count(4)
    assert zoe.received_messages() == [f"to Zoë {number}" for number in range(4)]

    # The same is in the history, not only on the page.
    for one, count in ((ana, 5), (zoe, 4)):
        one.page.reload()
        expect(one.received()).to_have_count(count)


def test_a_hug_whose_answer_was_lost_is_sent_again_and_is_one_hug(
    friends: tuple[Window, Window], proxy: CuttableProxy
) -> None:
    ana, zoe = friends
    proxy.mute_hub()
    ana.hug(zoe, "only once")
    expect(zoe.received("only once")).to_be_visible()
    expect(ana.receipt("only once")).to_have_text("Sending…")

    proxy.cut()
    ana.is_not_live()
    proxy.mend()
    ana.is_live(BACK_MS)
    expect(ana.receipt("only once")).to_have_text("Seen")
    ana.hug(zoe, "and another")
    expect(zoe.received("and another")).to_be_visible()
    assert zoe.received_messages() == ["only once", "and another"]
    assert ana.sent().count() == 2


def test_receipts_missed_while_cut_off_are_caught_up(friends: tuple[Window, Window], proxy: CuttableProxy) -> None:
    ana, zoe = friends
    zoe.page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    ana.hug(zoe, "read me later")
    expect(ana.receipt("read me later")).to_have_text("Delivered")
    proxy.cut()
    ana.is_not_live()
    zoe.page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    expect(zoe.received("read me later")).to_have_class("hug hug--warm")
    proxy.mend()
    ana.is_live(BACK_MS)
    expect(ana.receipt("read me later")).to_have_text("Seen")


def test_a_hug_that_waits_outlives_the_page(friends: tuple[Window, Window], proxy: CuttableProxy) -> None:
    ana, zoe = friends
    proxy.cut()
    ana.is_not_live()
    ana.hug(zoe, "hold on to this")
    expect(ana.receipt("hold on to this")).to_have_text("Waits for the connection")
    proxy.mend()
    ana.page.reload()
    ana.is_live(BACK_MS)
    expect(ana.receipt("hold on to this")).to_have_text("Seen")
    assert zoe.received_messages() == ["hold on to this"]


def test_what_arrived_while_nobody_was_there_is_shown_on_the_next_visit(
    make_context: Callable[..., BrowserContext], window: MakeWindow
) -> None:
    profile = make_context()
    ana, zoe = window("Ana", context=profile).come_in(remember=True), window("Zoë").come_in()
    ana.befriend(zoe)
    ana.page.close()
    zoe.hug(ana, "first")
    zoe.hug(ana, "second")
    expect(zoe.receipt("second")).to_have_text("Sent")

    ana = window("Ana again", context=profile).open().is_live()
    expect(ana.arrival).to_contain_text(f"2 hugs for you from {zoe.name}")
    assert ana.received_messages() == ["first", "second"]
    expect(zoe.receipt("second")).to_have_text("Seen")


def test_hubs_are_killed_and_nobody_has_to_do_anything(window: MakeWindow, stack: Stack) -> None:
    ana, zoe = window("Ana", expects_cuts=True).come_in(), window("Zoë", expects_cuts=True).come_in()
    ana.befriend(zoe)
    for pid in stack.hubs:
        os.kill(pid, signal.SIGKILL)
    for one in (ana, zoe):
        one.is_not_live()
    ana.hug(zoe, "after all")
    for one in (ana, zoe):
        one.is_live(BACK_MS)
    expect(ana.receipt("after all")).to_have_text("Seen", timeout=BACK_MS)
    assert zoe.received_messages() == ["after all"]


def test_a_token_that_is_refused_is_renewed_without_a_word(window: MakeWindow) -> None:
    ana = window("Ana").come_in()
    kept = "JSON.parse(sessionStorage.getItem('hugmood.identity'))"
    before = ana.page.evaluate(f"{kept}.refresh")
    ana.page.evaluate(f"""() => {{
        const kept = {kept};
        kept.expiresAt = 0;
        sessionStorage.setItem('hugmood.identity', JSON.stringify(kept));
    }}""")
    ana.page.reload()
    ana.is_live()
    assert ana.page.evaluate(f"{kept}.refresh") != before


def test_a_log_in_that_was_ended_elsewhere_leads_back_to_the_entrance(window: MakeWindow) -> None:
    ana = window("Ana", expects_cuts=True).come_in()
    refresh = ana.page.evaluate("JSON.parse(sessionStorage.getItem('hugmood.identity')).refresh")
    # Not by the page itself: it leaves for the entrance while its own request still runs.
    ana.page.request.post(urljoin(ana.url, "/v1/auth/logout"), data={"refresh_token": refresh})
    expect(ana.page.locator("#entrance-problem")).to_contain_text("Please come in again")
    ana.errors = [error for error in ana.errors if "401" not in error]


def test_a_link_that_has_died_silently_is_noticed_when_somebody_looks(
    friends: tuple[Window, Window], proxy: CuttableProxy
) -> None:
    ana, _zoe = friends
    proxy.mute_hub()
    ana.page.evaluate("dispatchEvent(new Event('focus'))")  # asks the hub, which cannot answer
    expect(ana.page.locator("#connection-text")).not_to_have_text("Live", timeout=15_000)
    proxy.cut()
    proxy.mend()
    ana.is_live(BACK_MS)
