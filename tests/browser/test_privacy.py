"""What people decide about others and about what others may know."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.window import Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]


def test_every_answer_is_kept(window: MakeWindow) -> None:
    ana = window("Ana").come_in()
    ana.button("Settings").click()
    answers = {
        "Who may ask me for a hug": "nobody",
        "Who sees my moods": "friends",
        "Who can find me by name": "nobody",
    }
    for label, answer in answers.items():
        with ana.page.expect_response("**/v1/me/privacy") as change:
            ana.page.get_by_label(label).select_option(answer)
        assert change.value.status == 200
    with ana.page.expect_response("**/v1/me/privacy"):
        ana.page.get_by_role("switch", name="Let friends see when").uncheck()
    ana.page.get_by_label("About you").fill("Likes tea, and quiet evenings.")
    ana.button("Save").click()
    expect(ana.page.locator("#about-saved")).to_have_text("Saved")
    ana.picture("settings")
    ana.page.reload()
    ana.is_live()
    ana.button("Settings").click()
    for label, answer in answers.items():
        expect(ana.page.get_by_label(label)).to_have_value(answer)
    expect(ana.page.get_by_role("switch", name="Let friends see when")).not_to_be_checked()
    expect(ana.page.get_by_label("About you")).to_have_value("Likes tea, and quiet evenings.")


def test_without_receipts_nobody_learns_what_was_read(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    zoe.button("Settings").click()
    with zoe.page.expect_response("**/v1/me/privacy") as change:
        zoe.page.get_by_role("switch", name="Let friends see when").uncheck()
    assert change.value.status == 200
    zoe.page.keyboard.press("Escape")
    ana.hug(zoe, "read in peace")
    expect(zoe.received("read in peace")).to_be_visible()
    expect(zoe.page.locator("#received-badge")).to_be_hidden()
    zoe.hug(ana, "Thank you")
    expect(ana.received("Thank you")).to_be_visible()
    expect(ana.receipt("read in peace")).to_have_text("Sent")


def test_muting_following_and_lifting_both(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.button(f"More about {zoe.name}").click()
    ana.button("Mute: 1 hour").click()
    expect(ana.page.locator("#person-marks")).to_contain_text("Muted until")
    ana.button("Follow").click()
    expect(ana.page.locator("#person-marks")).to_contain_text("Following")
    ana.picture("person")
    ana.page.keyboard.press("Escape")
    for mark in ("Muted", "Following"):
        expect(ana.friend(zoe)).to_contain_text(mark)
    # It is there, and makes no fuss.
    zoe.hug(ana, "softly")
    expect(ana.received("softly")).to_be_visible()
    expect(ana.arrival).to_have_count(0)

    ana.button("Settings").click()
    expect(ana.page.locator("#muted-list")).to_contain_text("until")
    ana.button(f"Unmute {zoe.name}").click()
    ana.button(f"Unfollow {zoe.name}").click()
    expect(ana.page.get_by_text("Nobody is muted.")).to_be_visible()
    expect(ana.page.get_by_text("You follow nobody.")).to_be_visible()
    ana.page.keyboard.press("Escape")
    for mark in ("Muted", "Following"):
        expect(ana.friend(zoe)).not_to_contain_text(mark)


def test_whoever_is_found_can_be_looked_at_and_blocked(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë").come_in()
    zoe.button("Settings").click()
    zoe.page.get_by_label("About you").fill("Sings in the kitchen.")
    zoe.button("Save").click()
    expect(zoe.page.locator("#about-saved")).to_have_text("Saved")
    ana.search(zoe.name)
    ana.button(f"More about {zoe.name}").click()
    expect(ana.page.get_by_text("Sings in the kitchen.")).to_be_visible()
    assert not ana.button("Send a hug").is_visible(), "she may be hugged by friends"
    ana.button("Block…").click()
    ana.button("Block").click()
    ana.cannot_find(zoe)
    ana.button("Settings").click()
    ana.button(f"Unblock {zoe.name}").click()
    expect(ana.page.get_by_text("Nobody is blocked.")).to_be_visible()


def test_a_name_is_found_although_it_is_mistyped(window: MakeWindow) -> None:
    ana, other = window("Ana").come_in(), window("Maximiliane Bergfeld").come_in()
    ana.search(other.name.replace("iliane", "iliana"))
    expect(ana.page.locator("#found-list")).to_contain_text(other.name)
