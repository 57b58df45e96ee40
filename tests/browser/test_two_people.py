"""Two people in two browsers: from strangers to friends who hug each other."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.window import PASSWORD, Window

pytestmark = pytest.mark.browser
PRESENCE_MS = 15_000  # a change waits up to 5 s for the one before it
MakeWindow = Callable[..., Window]
MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> & \"quotes\""


def test_from_strangers_to_a_hug_that_is_seen(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoe").register()
    ana.befriend(zoe)
    expect(ana.friend(zoe)).to_contain_text("Online")

    ana.hug(zoe, "Well done today!", kind="Bear")
    expect(zoe.arrival).to_contain_text(f"{ana.name} gives you a big bear hug")
    expect(zoe.arrival).to_contain_text("Well done today!")
    expect(zoe.page.locator("#announcer")).to_contain_text("Well done today!")
    expect(ana.receipt("Well done today!")).to_have_text("Seen")

    zoe.arrival.get_by_role("button", name="Hug back").click()
    zoe.page.get_by_role("radio", name="Celebration").check()
    zoe.button("Send the hug").click()
    # Soon enough, it is a mutual hug.
    expect(ana.arrival.or_(ana.moment)).to_contain_text(f"{zoe.name} gives you a celebration hug")
    expect(ana.received()).to_contain_text([f"{zoe.name} gave you a celebration hug"])
    expect(zoe.receipt("Celebration")).to_have_text("Seen")


def test_delivered_is_told_before_seen(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    # A page in the background has the hug but nobody has read it.
    zoe.page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    ana.hug(zoe, "For later")
    expect(ana.receipt("For later")).to_have_text("Delivered")
    expect(zoe.received("For later")).to_have_class("hug hug--warm hug--new")
    assert zoe.page.title() == "(1) HugMood"
    zoe.page.evaluate("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))")
    expect(ana.receipt("For later")).to_have_text("Seen")
    expect(zoe.page).to_have_title("HugMood")


def test_history_is_there_after_loading_the_page_anew(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    for number in range(22):
        ana.hug(zoe, f"number {number}", kind="Quick")
    expect(zoe.received()).to_have_count(22)
    expect(ana.receipt("number 21")).to_have_text("Seen")
    for one in (ana, zoe):
        one.page.reload()
        one.is_live()
    expect(zoe.received()).to_have_count(20)
    zoe.page.locator("#received-more").click()
    expect(zoe.received()).to_have_count(22)
    assert zoe.received_messages() == [f"number {number}" for number in range(22)]
    expect(zoe.page.locator("#received-more")).to_be_hidden()
    expect(ana.sent()).to_have_count(20)
    expect(zoe.arrival).to_have_count(0)


def test_what_people_write_is_text_and_nothing_else(window: MakeWindow) -> None:
    ana, zoe = window("<b>Ana</b>").come_in(), window("Zoë").come_in()
    ana.befriend(zoe)
    ana.hug(zoe, MARKUP)
    expect(zoe.arrival.locator(".arrival__message")).to_have_text(MARKUP)
    expect(zoe.received().locator(".hug__message")).to_have_text(MARKUP)
    assert "broken" not in zoe.page.title()


def test_crossing_requests_make_a_friendship(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë").come_in()
    zoe.search(ana.name)
    expect(zoe.button(f"Add friend {ana.name}")).to_be_visible()
    ana.ask(zoe)
    # Whoever looked before sees the answer in place of the question.
    zoe.page.locator("#found-list").get_by_role("button", name=f"Accept {ana.name}").click()
    expect(zoe.friend(ana)).to_be_visible()
    expect(ana.friend(zoe)).to_be_visible()


def test_withdrawing_and_declining(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë").come_in()
    ana.ask(zoe)
    expect(zoe.button(f"Accept {ana.name}")).to_be_visible()
    ana.button(f"Withdraw {zoe.name}").click()
    expect(ana.button(f"Withdraw {zoe.name}")).to_have_count(0)
    zoe.ask(ana)
    ana.button(f"Decline {zoe.name}").click()
    expect(ana.button(f"Decline {zoe.name}")).to_have_count(0)
    expect(ana.friend(zoe)).to_have_count(0)


def test_ending_a_friendship_asks_first(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.button(f"More about {zoe.name}").click()
    ana.button("End the friendship…").click()
    ana.button("Cancel").click()
    expect(ana.friend(zoe)).to_be_visible()
    ana.button("End the friendship…").click()
    ana.button("End it").click()
    for one, two in ((ana, zoe), (zoe, ana)):
        expect(one.friend(two)).to_have_count(0)


def test_blocking_hides_each_from_the_other_until_it_is_lifted(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.button(f"More about {zoe.name}").click()
    ana.button("Block…").click()
    ana.button("Block").click()
    expect(ana.friend(zoe)).to_have_count(0)
    zoe.cannot_find(ana)

    ana.button("Settings").click()
    ana.button(f"Unblock {zoe.name}").click()
    expect(ana.page.get_by_text("Nobody is blocked.")).to_be_visible()
    ana.page.keyboard.press("Escape")
    ana.ask(zoe)


def test_status_is_what_friends_see(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    for choice, seen in (("Away", "away"), ("Do not disturb", "do_not_disturb"), ("Invisible", "offline")):
        zoe.page.get_by_label("Your status").select_option(choice)
        expect(ana.friend(zoe)).to_have_attribute("data-status", seen, timeout=PRESENCE_MS)
    # Whoever is invisible is hugged all the same.
    ana.hug(zoe, "I know you are there")
    expect(zoe.received("I know you are there")).to_be_visible()
    zoe.page.reload()
    zoe.is_live()
    expect(zoe.page.get_by_label("Your status")).to_have_value("invisible")


def test_who_may_hug_me(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    zoe.button("Settings").click()
    with zoe.page.expect_response("**/v1/me/privacy") as change:
        zoe.page.get_by_label("Who may hug me").select_option("Nobody")
    assert change.value.status == 200
    zoe.page.keyboard.press("Escape")

    ana.hug(zoe, "May I?")
    expect(ana.receipt("May I?")).to_contain_text("takes no hugs")
    ana.button("Remove").click()
    expect(ana.sent("May I?")).to_have_count(0)
    assert zoe.received("May I?").count() == 0


def test_a_message_that_is_too_long_stays_in_the_dialog(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.button(f"Hug {zoe.name}").click()
    family = "👨‍👩‍👧"  # one character to a person
    ana.page.get_by_label("A few words").fill(family * 281)
    expect(ana.page.locator("#composer-count")).to_have_text("1 characters too many")
    ana.button("Send the hug").click()
    expect(ana.page.locator("#composer-problem")).to_contain_text("at most 280")
    ana.page.get_by_label("A few words").fill(family * 280)
    ana.button("Send the hug").click()
    expect(zoe.received(family * 280)).to_be_visible()


def test_the_way_back_in(window: MakeWindow) -> None:
    ana = window("Ana", expects_cuts=True).register()  # Chromium reports a 401 like a broken network
    ana.errors.clear()
    ana.log_out()
    ana.log_in(f"{ana.name}@example.org", "not my password")
    expect(ana.page.locator("#entrance-problem")).not_to_be_empty()
    ana.errors = [error for error in ana.errors if "401" not in error]
    ana.log_in(f"{ana.name}@example.org", PASSWORD)
    ana.is_live()
    expect(ana.page.locator("#self-name")).to_have_text(ana.name)


def test_what_is_missing_is_said(window: MakeWindow) -> None:
    ana = window("Ana").open()
    ana.button("Come in").click()
    expect(ana.page.locator("#entrance-problem")).to_have_text("Please fill in: Your name.")
    expect(ana.page.get_by_label("Your name")).to_be_focused()
