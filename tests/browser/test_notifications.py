"""The notification centre and what one chooses to be told, in the browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from domain.notifications import KINDS
from tests.browser.looks import CONTRAST
from tests.browser.test_keyboard import Keyboard
from tests.browser.window import PASSWORD, Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
# Of a page in the background nothing is read.
HIDE = "Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})"
SHOW = "delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange'))"


class Centre:
    """The notification centre of one window."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page
        self.dialog = self.page.get_by_role("dialog", name="Notifications")
        self.bell = self.page.locator("#open-notifications")

    def open(self) -> "Centre":
        self.bell.click()
        expect(self.dialog).to_be_visible()
        return self

    def close(self) -> None:
        self.page.keyboard.press("Escape")
        expect(self.dialog).to_have_count(0)

    def rows(self, text: str = "") -> Locator:
        return self.dialog.get_by_role("listitem").filter(has_text=text)

    def row(self, text: str) -> Locator:
        """The way to what it is about."""
        return self.rows(text).get_by_role("button").first

    def delete(self, text: str) -> None:
        self.rows(text).get_by_role("button", name="Delete: ").click()

    def has_unread(self, count: int) -> None:
        badge = self.page.locator("#notifications-badge")
        if count:
            expect(badge).to_have_text(str(count))
            expect(self.bell).to_have_accessible_name(f"Notifications, {count} unread")
        else:
            expect(badge).to_be_hidden()
            expect(self.bell).to_have_accessible_name("Notifications")

    def read_all(self) -> None:
        self.open()
        self.dialog.get_by_role("button", name="Mark all read").click()
        self.has_unread(0)
        self.close()


@pytest.fixture
def devices(window: MakeWindow) -> tuple[Centre, Centre, Window]:
    """Two browsers of Ana, who has read everything, and Zoë, her friend."""
    here, zoe = window("Ana").register(), window("Zoë").come_in()
    there = window("Ana").open()
    there.log_in(f"{here.name}@example.org", PASSWORD)
    there.is_live().name = here.name
    zoe.ask(here)
    here.button(f"Accept {zoe.name}").click()
    for one in (here, there):
        expect(one.friend(zoe)).to_be_visible()
        one.page.evaluate(HIDE)
    expect(zoe.friend(here)).to_be_visible()
    centres = Centre(here), Centre(there)
    for centre in centres:
        centre.has_unread(2)  # asked, and friends
    centres[0].read_all()
    centres[1].has_unread(0)
    return *centres, zoe


def test_the_badge_is_the_same_on_all_devices(devices: tuple[Centre, Centre, Window]) -> None:
    here, there, zoe = devices
    zoe.hug(here.window, "for both of you")
    for centre in (here, there):
        centre.has_unread(1)
        centre.page.keyboard.press("Escape")
    there.open()
    expect(there.rows("for both of you")).to_contain_text(f"Unread: {zoe.name} gave you a warm hug")
    expect(there.rows()).to_have_count(3)
    here.open().row("for both of you").click()
    for centre in (here, there):
        centre.has_unread(0)
    expect(there.rows("for both of you")).not_to_contain_text("Unread")
    there.close()

    zoe.button("Ask for a hug").click()
    zoe.page.get_by_label("What it is about").fill("Monday again")
    zoe.button("Ask").click()
    for centre in (here, there):
        centre.has_unread(1)
        centre.open()
        expect(centre.rows("asks for a hug")).to_have_count(1)
    here.delete("asks for a hug")
    for centre in (here, there):
        centre.has_unread(0)
        expect(centre.rows("asks for a hug")).to_have_count(0)
        expect(centre.rows()).to_have_count(3)


def test_a_hug_that_is_read_anywhere_is_read_in_the_centre(devices: tuple[Centre, Centre, Window]) -> None:
    here, there, zoe = devices
    zoe.hug(here.window, "look at me")
    for centre in (here, there):
        centre.has_unread(1)
    here.page.keyboard.press("Escape")
    here.page.evaluate(SHOW)
    expect(zoe.receipt("look at me")).to_have_text("Seen")
    for centre in (here, there):
        centre.has_unread(0)


def test_a_hug_that_is_taken_back_is_no_news(devices: tuple[Centre, Centre, Window]) -> None:
    here, there, zoe = devices
    zoe.hug(here.window, "by mistake")
    here.has_unread(1)
    zoe.sent("by mistake").get_by_role("button", name="Undo").click()
    for centre in (here, there):
        centre.has_unread(0)
        expect(centre.open().rows("by mistake")).to_have_count(0)


def test_the_count_is_there_after_loading_the_page_anew(devices: tuple[Centre, Centre, Window]) -> None:
    here, _, zoe = devices
    zoe.hug(here.window, "still here")
    here.has_unread(1)
    here.page.add_init_script(HIDE)
    here.page.add_init_script("navigator.setAppBadge = async (count) => { window.appBadge = count }")
    here.page.reload()
    here.window.is_live()
    here.has_unread(1)
    assert here.page.evaluate("appBadge") == 1


def test_every_notification_leads_to_what_it_is_about(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.page.evaluate(HIDE)
    centre = Centre(ana)
    zoe.button("Ask for a hug").click()
    zoe.page.get_by_label("What it is about").fill("Monday again")
    zoe.button("Ask").click()
    zoe.host("Friday evening", ana)
    expect(ana.button("Join Friday evening")).to_be_visible()
    zoe.page.get_by_role("button", name="Back to the other things").click()
    ana.hug(zoe, "there you go")
    zoe.button(f"React to the hug of {ana.name}").click()
    zoe.button("Tell them").click()
    ana.page.get_by_role("link", name="Moods").click()

    ways = {
        "asks for a hug": "#asks-list > li:focus",
        "Friday evening": "#rooms-list > li:focus",
        "felt your hug": "#sent-list > li:focus",
        "are friends now": "#friends-list > li:focus",
    }
    for text, row in ways.items():
        centre.open().row(text).click()
        expect(centre.dialog).to_have_count(0)
        expect(ana.page.locator(row)).to_be_in_viewport()
        expect(ana.page.locator("#moods-heading")).to_be_hidden()


def test_a_centre_without_a_mouse(devices: tuple[Centre, Centre, Window]) -> None:
    here, _, zoe = devices
    zoe.button("Ask for a hug").click()
    zoe.button("Ask").click()
    here.has_unread(1)
    keys = Keyboard(here.window)
    keys.go_to("Notifications, 1 unread").press("Enter")
    expect(here.page.locator("#notifications-heading")).to_be_focused()
    keys.go_to("Unread").press("Enter")
    expect(here.rows()).to_have_count(1)
    keys.go_to("Mark all read").press("Space")
    expect(here.dialog).to_contain_text("You have read everything.")
    keys.press("Shift+Tab", "Shift+Tab", "Space")
    expect(here.rows()).to_have_count(3)
    keys.go_to(f"Delete: {zoe.name} asks for a hug").press("Enter")
    expect(here.rows()).to_have_count(2)
    # The keyboard goes on with the next one.
    expect(here.rows("are friends now").get_by_role("button", name="Delete: ")).to_be_focused()
    keys.press("Escape")
    expect(here.bell).to_be_focused()
    keys.press("Enter")
    keys.go_to("wants to be friends").press("Enter")
    expect(here.dialog).to_have_count(0)
    expect(here.page.locator("#friends-heading")).to_be_focused()


def test_an_empty_centre_says_so_and_trouble_too(window: MakeWindow) -> None:
    ana = window("Ana", expects_cuts=True)
    with ana.page.expect_response("**/v1/me/notifications/unread"):  # an open centre looks again when the count comes
        ana.come_in()
    ana.page.route("**/v1/me/notifications?**", lambda route: route.abort())
    centre = Centre(ana).open()
    expect(centre.dialog).to_contain_text("The hub cannot be reached right now.")
    ana.page.unroute("**/v1/me/notifications?**")
    centre.dialog.get_by_role("button", name="Try again").click()
    expect(centre.dialog).to_contain_text("Hugs, requests and other news will be listed here.")


def settings(one: Window) -> Locator:
    one.button("Settings").click()
    dialog = one.page.get_by_role("dialog", name="Settings")
    expect(dialog.get_by_role("table")).to_be_visible()
    return dialog


def test_preferences_outlive_the_page(window: MakeWindow) -> None:
    ana = window("Ana", timezone_id="Europe/Lisbon").register()
    for is_after_reload in (False, True):
        dialog = settings(ana)
        hugs, groups = (dialog.get_by_label(f"{what} by push", exact=True) for what in ("Hugs", "Group hugs"))
        all_mail, mail = dialog.get_by_label("All of it by e-mail"), dialog.get_by_label("Friends by e-mail")
        quiet, names = dialog.get_by_role("switch", name="Quiet hours"), dialog.get_by_label("Names on a locked screen")
        reminders = dialog.get_by_role("switch", name="Remind me before")
        start, end = (dialog.get_by_label(label, exact=True) for label in ("From", "To"))
        zone = dialog.get_by_label("Time zone")
        if not is_after_reload:
            expect(mail).to_be_disabled()
            hugs.uncheck()
            all_mail.check()
            mail.uncheck()
            names.select_option(label="Shown")
            quiet.check()
            expect(zone).to_have_value("Europe/Lisbon")
            start.fill("23:30")
            zone.select_option("Asia/Tokyo")
            with ana.page.expect_response("**/v1/me/preferences"):
                reminders.check()
            ana.page.reload()
            ana.is_live()
            continue
        expect(hugs).not_to_be_checked()
        expect(groups).to_be_checked()
        expect(all_mail).to_be_checked()
        expect(mail).to_be_enabled()
        expect(mail).not_to_be_checked()
        expect(names).to_have_value("name")
        for control, value in ((start, "23:30"), (end, "07:00"), (zone, "Asia/Tokyo")):
            expect(control).to_have_value(value)
        expect(reminders).to_be_checked()
        quiet.uncheck()
        expect(start).to_be_hidden()


def test_without_an_address_there_is_no_mail_and_a_reason(window: MakeWindow) -> None:
    dialog = settings(window("Ana").come_in())
    switches = dialog.get_by_role("checkbox", name=re.compile("by e-mail"))
    expect(switches).to_have_count(7)
    for switch in switches.all():
        expect(switch).to_be_disabled()
        expect(switch).to_have_accessible_description("E-mail needs an address, and you are here without an account.")


def test_what_cannot_be_kept_goes_back(window: MakeWindow) -> None:
    ana = window("Ana", expects_cuts=True).come_in()
    dialog = settings(ana)
    ana.page.route("**/v1/me/preferences", lambda route: route.abort())
    dialog.get_by_label("Hugs by push", exact=True).click()
    expect(dialog.get_by_role("alert").last).to_contain_text("The hub cannot be reached")
    expect(dialog.get_by_label("Hugs by push", exact=True)).to_be_checked()


def test_what_is_not_wanted_here_is_not_listed(devices: tuple[Centre, Centre, Window]) -> None:
    here, there, zoe = devices
    settings(here.window).get_by_label("Friends here, at the bell").uncheck()
    here.page.keyboard.press("Escape")
    zoe.hug(here.window, "but hugs are")
    for centre in (here, there):
        centre.has_unread(1)
        expect(centre.open().rows()).to_have_count(1)


def test_all_kinds_of_notifications_have_words_and_are_looked_at(window: MakeWindow) -> None:
    page = window("Ana").open().page
    for module, name in (("notification_words.js", "KINDS"), ("notifications.js", "TOLD_BY")):
        known = page.evaluate("([path, name]) => import(path).then((module) => module[name])", [f"/web/{module}", name])
        assert set(known) >= set(KINDS), module


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("device", "width", "height"), [("phone", 390, 844), ("small", 320, 640), ("desktop", 1280, 860)]
)
def test_it_fits_and_can_be_read(window: MakeWindow, device: str, width: int, height: int, scheme: str) -> None:
    view = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "reduced_motion": "reduce"}
    ana, zoe = window("Anna-Katharina-Wilhelmine-von-und-zu", **view).come_in(), window("Zoë").come_in()
    ana.befriend_at_once(zoe)
    ana.page.evaluate(HIDE)
    zoe.hug(ana, "Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 3)
    ana.page.keyboard.press("Escape")
    centre = Centre(ana)

    def look(what: str) -> None:
        ana.has_no_horizontal_scroll()
        ana.picture(f"notifications-{device}-{scheme}-{what}")
        assert ana.page.evaluate(CONTRAST) == []
        inside = "(node) => node.scrollWidth <= node.clientWidth"
        if (dialog := ana.page.get_by_role("dialog")).count():
            assert dialog.evaluate(inside), "the dialog scrolls to the side"

    centre.has_unread(2)
    look("bar")
    centre.open()
    expect(centre.rows()).to_have_count(2)
    look("centre")
    centre.dialog.get_by_role("button", name="Choose what you are told").click()
    dialog = ana.page.get_by_role("dialog", name="Settings")
    dialog.get_by_role("switch", name="Quiet hours").check()
    expect(dialog.get_by_label("Time zone")).to_be_visible()
    look("settings")
    dialog.get_by_label("Time zone").scroll_into_view_if_needed()
    look("quiet-hours")
