"""Group hugs: real people in real windows, in one room."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.proxy import CuttableProxy
from tests.browser.window import BACK_MS, Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
ROOM = "Friday evening"


def press(one: Window) -> None:
    """The mouse goes down on the squeeze, and stays down."""
    one.page.locator("#squeeze").hover(force=True)  # it breathes, and never stands still
    one.page.mouse.down()


def test_three_windows_complete_a_group_hug_by_squeezing_together(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë", viewport={"width": 390, "height": 844}).come_in()
    mo = window("Mo", color_scheme="dark").come_in()
    for friend in (zoe, mo):
        ana.befriend_at_once(friend)
    ana.host(ROOM, zoe, mo, message="It was a long week. Come here!")
    expect(ana.page.locator("#room-state")).to_contain_text("waiting for one more")

    expect(zoe.page.locator("#rooms-list")).to_contain_text("It was a long week")
    zoe.picture("group-hug-1-invitation")
    zoe.join(ROOM)
    mo.join(ROOM)
    for one in (ana, zoe, mo):
        expect(one.faces).to_have_count(3)
        expect(one.page.locator("#room-state")).to_have_text("3 people are here")

    press(ana)  # two of three would not be nearly all, one is not either
    for one in (zoe, mo):
        expect(one.page.locator("#room-feel")).to_contain_text("squeeze")
    zoe.picture("group-hug-2-squeezed", in_motion=True)
    mo.picture("group-hug-2-squeezed-dark", in_motion=True)
    expect(ana.moment).to_have_count(0)
    press(zoe)
    press(mo)
    for one in (ana, zoe, mo):
        expect(one.moment).to_contain_text("The big squeeze")
        expect(one.moment).to_contain_text("3 people")
        for other in (ana, zoe, mo):
            if other is not one:
                expect(one.moment).to_contain_text(other.name)
    ana.picture("group-hug-3-big-squeeze")
    zoe.picture("group-hug-3-big-squeeze-phone")
    mo.picture("group-hug-3-big-squeeze-dark")
    for one in (ana, zoe, mo):
        one.page.mouse.up()
        one.is_out_of_room()
        expect(one.page.locator("#rooms")).to_be_hidden()


def test_the_host_brings_it_to_its_end(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.host(ROOM, zoe)
    assert not ana.button("Bring it to a good end").is_visible(), "nobody has hugged yet"
    zoe.join(ROOM)
    assert not zoe.button("Bring it to a good end").is_visible()
    ana.button("Bring it to a good end").click()
    for one in (ana, zoe):
        expect(one.moment).to_contain_text("The host has brought it to its end")
        one.is_out_of_room()
    zoe.picture("group-hug-4-host")
    zoe.page.keyboard.press("Escape")
    expect(zoe.moment).to_have_count(0)


def test_space_squeezes(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.host(ROOM, zoe)
    zoe.join(ROOM)
    expect(ana.faces).to_have_count(2)
    zoe.page.locator("#squeeze").focus()
    zoe.page.keyboard.down("Space")
    expect(zoe.page.locator("#squeeze")).to_have_class("squeeze squeeze--held")
    expect(ana.page.locator("#room-feel")).to_contain_text("squeeze")
    ana.page.locator("#squeeze").focus()
    ana.page.keyboard.down("Space")
    for one in (ana, zoe):
        expect(one.moment).to_contain_text("The big squeeze")
        one.page.keyboard.up("Space")


def test_coming_going_and_calling_it_off(window: MakeWindow) -> None:
    ana, zoe, mo = (window(name).come_in() for name in ("Ana", "Zoë", "Mo"))
    ana.befriend_at_once(zoe)
    ana.befriend_at_once(mo)
    ana.host(ROOM, zoe)
    zoe.join(ROOM)
    expect(ana.page.locator("#room-news")).to_contain_text(f"{zoe.name} is here")
    ana.button("Invite more").click()
    assert ana.page.get_by_label(zoe.name, exact=True).count() == 0, "who is here is not asked to come"
    ana.page.get_by_label(mo.name, exact=True).check()
    ana.button("Invite").click()
    mo.button(f"Not now {ROOM}").click()
    expect(mo.page.locator("#rooms")).to_be_hidden()

    zoe.button("Leave").click()
    zoe.is_out_of_room()
    expect(ana.page.locator("#room-news")).to_contain_text(f"{zoe.name} went on")
    expect(ana.faces).to_have_count(1)
    ana.button("Invite more").click()
    ana.page.get_by_label(zoe.name, exact=True).check()
    ana.button("Invite").click()
    zoe.join(ROOM)
    ana.button("Call it off…").click()
    ana.button("Call it off").click()
    for one in (ana, zoe):
        expect(one.page.get_by_text(f"“{ROOM}” was called off.")).to_be_visible()
        one.is_out_of_room()


def test_the_room_outlives_a_reload_and_a_lost_connection(window: MakeWindow, proxy: CuttableProxy) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë", through=proxy).come_in()
    ana.befriend_at_once(zoe)
    ana.host(ROOM, zoe)
    zoe.join(ROOM)
    zoe.page.reload()
    zoe.is_live()
    zoe.is_in_room(ROOM)
    expect(zoe.faces).to_have_count(2)
    proxy.cut()
    zoe.is_not_live()
    expect(zoe.page.locator("#squeeze")).to_have_attribute("aria-disabled", "true")
    proxy.mend()
    zoe.is_live(BACK_MS)
    expect(zoe.faces).to_have_count(2)
    press(ana)
    expect(zoe.page.locator("#room-feel")).to_contain_text("squeeze")
    ana.page.mouse.up()
    zoe.page.get_by_role("button", name="Back to the other things").click()
    zoe.is_out_of_room()
    zoe.button(f"Go in {ROOM}").click()
    zoe.is_in_room(ROOM)
    expect(zoe.faces).to_have_count(2)


def test_a_group_hug_for_later(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.button("Group hug").click()
    ana.button("Open the room").click()
    expect(ana.page.locator("#gathering-problem")).to_contain_text("Give the group hug a name")
    ana.page.get_by_label("What is it called?").fill("Tomorrow")
    ana.page.get_by_label("Later").check()
    ana.button("Open the room").click()
    expect(ana.page.locator("#gathering-problem")).to_contain_text("Say when it begins")
    tomorrow = "new Date(Date.now() + 86_400_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16)"
    ana.page.get_by_label("Begins at").fill(ana.page.evaluate(tomorrow))
    ana.page.get_by_label(zoe.name, exact=True).check()
    ana.button("Open the room").click()
    ana.is_in_room("Tomorrow")
    expect(ana.page.locator("#room-state")).to_contain_text("Begins")
    expect(ana.page.locator("#squeeze")).to_have_attribute("aria-disabled", "true")
    expect(zoe.page.locator("#rooms-list")).to_contain_text("Begins")
