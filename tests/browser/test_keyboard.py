"""Everything with the keyboard alone, and what a screen reader is told."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.window import Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
MOST_TABS = 40


class Keyboard:
    """Hands on the keyboard; no mouse."""

    def __init__(self, window: Window) -> None:
        self._page = window.page

    def press(self, *keys: str) -> "Keyboard":
        for key in keys:
            self._page.keyboard.press(key)
        return self

    def type(self, text: str) -> "Keyboard":
        self._page.keyboard.type(text)
        return self

    def go_to(self, name: str) -> "Keyboard":
        """Tab until what is called *name* has the focus, and see that it shows."""
        for _ in range(MOST_TABS):
            self._page.keyboard.press("Tab")
            called, outline = self._page.evaluate(
                """() => {
                    const at = document.activeElement;
                    const face = at.type === "radio" ? at.nextElementSibling : at;
                    const label = at.labels?.[0]?.textContent ?? "";
                    return [at.ariaLabel ?? (label || at.textContent), getComputedStyle(face).outlineStyle];
                }"""
            )
            if name in re.sub(r"\s+", " ", called):
                assert outline == "solid", f"{name} has the focus, but nothing shows it"
                return self
        raise AssertionError(f"no way to {name} with the Tab key")


def test_from_the_entrance_to_a_hug_without_a_mouse(window: MakeWindow) -> None:
    ana, zoe = window("Ana").open(), window("Zoë").come_in()
    keys = Keyboard(ana)
    expect(ana.page.get_by_label("Your name")).to_be_focused()
    keys.type(ana.name).press("Enter")
    ana.is_live()

    keys.go_to("Find people by name").type(zoe.name)
    expect(ana.button(f"Add friend {zoe.name}")).to_be_visible()
    keys.go_to(f"Add friend {zoe.name}").press("Enter")
    expect(ana.button(f"Withdraw {zoe.name}")).to_be_visible()
    zoe_keys = Keyboard(zoe)
    expect(zoe.button(f"Accept {ana.name}")).to_be_visible()
    zoe_keys.go_to(f"Accept {ana.name}").press("Space")
    expect(zoe.friend(ana)).to_be_visible()
    # The button is gone; the keyboard goes on from its panel, not from the top of the page.
    expect(zoe.page.locator("#friends-heading")).to_be_focused()

    ana.search("")
    expect(ana.friend(zoe)).to_be_visible()
    keys.go_to(f"Hug {zoe.name}").press("Enter")
    expect(ana.page.get_by_role("radio", name="Warm")).to_be_focused()
    keys.press("ArrowRight")
    expect(ana.page.get_by_role("radio", name="Bear")).to_be_checked()
    keys.go_to("A few words").type("with ten fingers").press("Control+Enter")
    expect(zoe.received("with ten fingers")).to_contain_text("bear hug")
    expect(ana.button(f"Hug {zoe.name}")).to_be_focused()


def test_a_hug_that_arrives_does_not_take_the_focus_and_escape_puts_it_away(
    two_friends: tuple[Window, Window],
) -> None:
    ana, zoe = two_friends
    zoe.page.get_by_label("Find people by name").focus()
    ana.hug(zoe, "do not mind me")
    expect(zoe.arrival).to_be_visible()
    expect(zoe.page.get_by_label("Find people by name")).to_be_focused()
    zoe.page.keyboard.press("Escape")
    expect(zoe.arrival).to_have_count(0)


@pytest.mark.parametrize("opener", ["Settings", "More about", "Hug"])
def test_escape_closes_every_dialog_and_gives_the_focus_back(two_friends: tuple[Window, Window], opener: str) -> None:
    ana, zoe = two_friends
    button = ana.button(opener if opener == "Settings" else f"{opener} {zoe.name}")
    button.focus()
    ana.page.keyboard.press("Enter")
    expect(ana.page.get_by_role("dialog")).to_be_visible()
    ana.page.keyboard.press("Escape")
    expect(ana.page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def test_the_ways_in_are_tabs_for_the_arrow_keys(window: MakeWindow) -> None:
    ana = window("Ana").open()
    ana.page.get_by_role("tab", name="Guest").focus()
    for name in ("Log in", "Register", "Guest"):
        ana.page.keyboard.press("ArrowRight")
        expect(ana.page.get_by_role("tab", name=name)).to_be_focused()
        expect(ana.page.get_by_role("tabpanel", name=name)).to_be_visible()


def test_every_control_has_a_name(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.hug(zoe, "hello")
    expect(zoe.received("hello")).to_be_visible()
    nameless = """() => [...document.querySelectorAll("button, input, select, textarea, a[href]")]
        .filter((control) => !(control.ariaLabel || control.labels?.length || control.textContent.trim()))
        .map((control) => control.outerHTML)"""
    for one in (ana, zoe):
        assert one.page.evaluate(nameless) == []
        ids = one.page.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
        assert len(ids) == len(set(ids)), "an id is used twice"
