"""Asking for a hug, and answering."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.window import Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]


def asks(one: Window, text: str = "") -> Locator:
    return one.page.locator("#asks-list > li", has_text=text)


def ask(one: Window, whom: str, message: str) -> None:
    one.button("Ask for a hug").click()
    one.page.get_by_label("Whom do you ask?").select_option(label=whom)
    one.page.get_by_label("What it is about").fill(message)
    one.button("Ask").click()
    expect(asks(one, message)).to_contain_text("Waits for a hug")


def test_a_friend_answers_with_a_hug(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ask(ana, zoe.name, "Monday again")
    expect(asks(zoe, "Monday again")).to_contain_text(f"{ana.name} asks for a hug")
    zoe.picture("request-1-incoming")
    asks(zoe, "Monday again").get_by_role("button", name="Hug").click()
    zoe.page.get_by_label("A few words").fill("Here you are")
    zoe.button("Send the hug").click()
    expect(asks(zoe)).to_have_count(0)
    expect(ana.received("Here you are")).to_contain_text("because you asked")
    expect(asks(ana, "Monday again")).to_contain_text(f"{zoe.name} gave you a warm hug")
    ana.page.keyboard.press("Escape")
    ana.picture("request-2-answered")


def test_not_now_is_silent(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ask(ana, zoe.name, "Are you there?")
    asks(zoe, "Are you there?").get_by_role("button", name="Not now").click()
    expect(asks(zoe)).to_have_count(0)
    zoe.page.reload()
    zoe.is_live()
    expect(zoe.friend(ana)).to_be_visible()
    expect(asks(zoe)).to_have_count(0)
    ana.page.reload()
    ana.is_live()
    expect(asks(ana, "Are you there?")).to_contain_text("Waits for a hug")


def test_a_request_can_be_taken_back(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ask(ana, zoe.name, "Never mind")
    expect(asks(zoe, "Never mind")).to_be_visible()
    asks(ana).get_by_role("button", name="Take it back").click()
    for one in (ana, zoe):
        expect(asks(one)).to_have_count(0)


def test_the_community_answers_if_it_likes_to_be_asked(window: MakeWindow) -> None:
    ana, mo = window("Ana").come_in(), window("Mo").come_in()
    mo.button("Settings").click()
    with mo.page.expect_response("**/v1/me/privacy") as change:
        mo.page.get_by_label("Let people I do not know ask me for a hug").check()
    assert change.value.status == 200
    mo.page.keyboard.press("Escape")
    ask(ana, "Whoever likes to be asked", f"Anybody out there, says {ana.name}")
    asks(mo, ana.name).get_by_role("button", name="Hug").click()
    mo.page.get_by_label("A few words").fill("Somebody is")
    mo.button("Send the hug").click()
    expect(ana.received("Somebody is")).to_contain_text(mo.name)
    expect(asks(ana)).to_contain_text(f"{mo.name} gave you a warm hug")
    expect(asks(ana).get_by_role("button", name="Take it back")).to_be_visible()  # more may come
    asks(ana).get_by_role("button", name="Take it back").click()
