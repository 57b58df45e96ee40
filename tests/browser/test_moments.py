"""The moments of a hug: open arms, meeting, how it felt, taking it back."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.window import ARRIVES_MS, Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
START = "document.querySelector('.moment__card').style.getPropertyValue('--since')"


def test_two_hugs_that_meet_are_one_moment_in_both_windows(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    for one, other in ((ana, zoe), (zoe, ana)):
        one.button(f"Hug {other.name}").click()
    for one in (ana, zoe):
        one.button("Send the hug").click()
    for one, other in ((ana, zoe), (zoe, ana)):
        expect(one.moment).to_contain_text(f"{other.name} and you hugged each other")
        # The same hug is not told twice, and the animation is placed on the clock of the hub.
        expect(one.arrival).to_have_count(0)
        assert one.page.evaluate(START).endswith("ms")
        assert one.page.evaluate("document.querySelector('.meeting__one').getAnimations().length") > 0
        expect(one.received()).to_contain_text("You hugged each other")
        expect(one.sent()).to_contain_text("You hugged each other")
    for one, picture in ((ana, "mutual-hug-one"), (zoe, "mutual-hug-other")):
        one.picture(picture)
        one.page.keyboard.press("Escape")
        expect(one.moment).to_have_count(0)


def test_arms_open_while_a_hug_is_written(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.button(f"Hug {zoe.name}").click()
    expect(zoe.friend(ana)).to_contain_text("opens their arms for you")
    zoe.picture("open-arms")
    ana.page.keyboard.press("Escape")
    expect(zoe.friend(ana)).to_contain_text("Online", timeout=ARRIVES_MS)  # open arms last for five seconds


def test_how_it_felt(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.hug(zoe, "for you")
    expect(zoe.arrival).to_be_visible()
    zoe.page.keyboard.press("Escape")
    zoe.button(f"React to the hug of {ana.name}").click()
    zoe.picture("reaction-1-choosing")
    zoe.page.get_by_role("radio", name="touched").check()
    zoe.page.get_by_label("And a word").fill("just when I needed it")
    zoe.button("Tell them").click()
    expect(zoe.received("for you").locator(".felt")).to_have_text(re.compile("🥹 just when I needed it$"))
    expect(ana.sent("for you").locator(".felt")).to_have_text(re.compile("🥹 just when I needed it$"))
    ana.picture("reaction-2-felt")

    zoe.button(f"Change to the hug of {ana.name}").click()
    zoe.page.get_by_role("radio", name="calm").check()
    zoe.page.get_by_label("And a word").fill("")
    zoe.button("Tell them").click()
    expect(ana.sent("for you").locator(".felt")).to_have_text("Felt: 😌")
    for one, hugs in ((ana, ana.sent), (zoe, zoe.received)):
        one.page.reload()
        expect(hugs("for you").locator(".felt")).to_contain_text("😌")


def test_a_hug_that_nobody_has_seen_can_be_taken_back(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    zoe.page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden' })")  # looks elsewhere
    ana.hug(zoe, "to the wrong one")
    expect(zoe.received("to the wrong one")).to_be_attached()
    ana.button(f"Undo the hug for {zoe.name}").click()
    expect(ana.receipt("to the wrong one")).to_have_text("Taken back")
    expect(zoe.received("to the wrong one")).to_have_count(0)
    ana.page.reload()
    expect(ana.receipt("to the wrong one")).to_have_text("Taken back")


def test_after_ten_seconds_there_is_no_way_back(window: MakeWindow) -> None:
    ana, zoe = window("Ana"), window("Zoë").come_in()
    ana.page.clock.install()
    ana.come_in().befriend_at_once(zoe)
    zoe.page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden' })")
    ana.hug(zoe, "meant as it is")
    undo = ana.button(f"Undo the hug for {zoe.name}")
    expect(undo).to_be_visible()
    ana.page.clock.fast_forward(10_000)
    expect(undo).to_be_hidden()
    expect(ana.receipt("meant as it is")).to_contain_text("ent")


def test_whoever_wants_no_motion_gets_none_in_a_shared_moment(window: MakeWindow) -> None:
    still = {"reduced_motion": "reduce"}
    ana, zoe = window("Ana", **still).come_in(), window("Zoë", **still).come_in()
    ana.befriend_at_once(zoe)
    ana.host("Quietly", zoe)
    zoe.join("Quietly")
    moving = """document.getAnimations().filter(({ effect }) => effect.getComputedTiming().duration > 1 &&
        effect.getKeyframes().some((frame) => ['translate', 'scale', 'transform'].some((name) => name in frame))).length"""
    for one in (ana, zoe):
        assert one.page.evaluate(moving) == 0
    ana.button("Bring it to a good end").click()
    for one in (ana, zoe):
        expect(one.moment).to_be_visible()
        assert one.page.evaluate(moving) == 0
