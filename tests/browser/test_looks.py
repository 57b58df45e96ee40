"""How the page fits what people hold in their hands. The pictures are for a person to look at."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.looks import CONTRAST
from tests.browser.proxy import CuttableProxy
from tests.browser.window import BACK_MS, Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
LONG = "Anna-Katharina-Wilhelmine-von-und-zu-Überlingen-am-Bodensee"
WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenhalterung" * 3


def look_at(one: Window, folder: Path, picture: str) -> None:
    """It fits, every text stands out from what is behind it, and there is a picture."""
    one.page.evaluate("Promise.allSettled(document.getAnimations().map(({ finished }) => finished))")
    one.has_no_horizontal_scroll()
    one.screenshot(folder, picture)
    assert one.page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("device", "width", "height"),
    [("phone", 390, 844), ("small", 320, 640), ("tablet", 820, 1100), ("desktop", 1280, 860)],
)
def test_it_fits_and_can_be_read(
    window: MakeWindow, tmp_path: Path, device: str, width: int, height: int, scheme: str
) -> None:
    view = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "reduced_motion": "reduce"}
    ana, zoe = window(LONG, **view).open(), window("Zoë").come_in()
    name = f"{device}-{scheme}"

    def look(what: str) -> None:
        look_at(ana, tmp_path, f"{name}-{what}")

    look("entrance")
    ana.name = ana.name[:63]
    ana.come_in()
    look("empty")
    zoe.ask(ana)
    expect(ana.button(f"Accept {zoe.name}")).to_be_visible()
    look("request")
    ana.button(f"Accept {zoe.name}").click()
    expect(zoe.friend(ana)).to_be_visible()
    zoe.hug(ana, WORD)
    expect(ana.arrival).to_be_visible()
    look("arrival")
    ana.page.keyboard.press("Escape")
    ana.hug(zoe, "Thank you!")
    for panel in ("friends", "received", "sent"):
        tab = ana.page.locator(f".tabs [data-panel={panel}]")
        if tab.is_visible():
            tab.click()
            look(panel)
    expect(ana.receipt("Thank you!")).to_have_text("Seen")
    look("home")
    ana.button("Settings").click()
    expect(ana.page.get_by_label("Who may hug me")).to_be_visible()
    look("settings")


@pytest.mark.parametrize(
    ("device", "width", "height", "scheme"),
    [
        ("phone", 390, 844, "light"),
        ("phone", 390, 844, "dark"),
        ("small", 320, 640, "light"),
        ("desktop", 1280, 860, "dark"),
    ],
)
def test_rooms_requests_and_moments_fit_and_can_be_read(
    window: MakeWindow, tmp_path: Path, device: str, width: int, height: int, scheme: str
) -> None:
    view = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "reduced_motion": "reduce"}
    ana, zoe = window(LONG[:45], **view).come_in(), window("Zoë").come_in()
    ana.befriend(zoe)
    name = f"{device}-{scheme}"

    def look(what: str) -> None:
        look_at(ana, tmp_path, f"{name}-{what}")

    def look_and_close(what: str) -> None:
        expect(ana.page.get_by_role("dialog")).to_be_visible()
        look(what)
        ana.page.keyboard.press("Escape")

    ana.button("Group hug").click()
    look_and_close("host")
    ana.button("Ask for a hug").click()
    look_and_close("ask")
    for one in (ana, zoe):
        one.button("Ask for a hug").click()
        one.page.get_by_label("What it is about").fill(WORD)
        one.button("Ask").click()
    expect(ana.page.locator("#asks-list > li")).to_contain_text(["asks for a hug", "Waits for a hug"])
    zoe.host(WORD[:60], ana, message=WORD)
    zoe.page.get_by_role("button", name="Back to the other things").click()
    expect(ana.button(f"Join {WORD[:60]}")).to_be_visible()
    ana.button(f"More about {zoe.name}").click()
    ana.button("Mute: 1 day").click()
    ana.button("Follow").click()
    expect(ana.page.locator("#person-marks")).to_contain_text("Following")
    look_and_close("person")
    look("waiting")

    ana.join(WORD[:60])
    expect(ana.faces).to_have_count(2)
    look("room")
    zoe.button(f"Go in {WORD[:60]}").click()
    zoe.page.locator("#squeeze").focus()
    zoe.page.keyboard.down("Space")
    expect(ana.page.locator("#room-feel")).not_to_be_empty()
    look("squeezed")
    zoe.page.keyboard.up("Space")
    zoe.button("Bring it to a good end").click()
    expect(ana.moment).to_be_visible()
    look("good-end")
    ana.page.keyboard.press("Escape")
    ana.hug(zoe, WORD)
    zoe.page.keyboard.press("Escape")
    zoe.button(f"React to the hug of {ana.name}").click()
    zoe.page.get_by_label("And a word").fill(WORD[:140])
    zoe.button("Tell them").click()
    if (tab := ana.page.locator(".tabs [data-panel=sent]")).is_visible():
        tab.click()
    expect(ana.sent(WORD).locator(".felt")).to_be_visible()
    look("felt")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_trouble_has_room_to_say_what_it_is(
    window: MakeWindow, proxy: CuttableProxy, tmp_path: Path, width: int
) -> None:
    ana = window(LONG[:50], through=proxy, viewport={"width": width, "height": 700}).come_in()
    proxy.cut()
    ana.is_not_live()
    expect(ana.button("Try now")).to_be_visible(timeout=BACK_MS)
    ana.screenshot(tmp_path, f"trouble-{width}")
    ana.has_no_horizontal_scroll()
    overlaps = """() => {
        const boxes = ["#connection", ".bar__brand", ".bar__self > *"].flatMap((part) => [...document.querySelectorAll(part)]);
        const seen = boxes.map((node) => node.getBoundingClientRect()).filter(({ width }) => width > 0);
        return seen.some((one, at) => seen.slice(at + 1).some((two) => one.left < two.right - 1 && two.left < one.right - 1 && one.top < two.bottom - 1 && two.top < one.bottom - 1));
    }"""
    assert not ana.page.evaluate(overlaps)
    proxy.mend()
    ana.is_live(BACK_MS)


def test_whoever_wants_no_motion_gets_none(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë", reduced_motion="reduce").come_in()
    ana.befriend(zoe)
    ana.hug(zoe, "gently")
    expect(zoe.arrival).to_be_visible()
    moving = "document.getAnimations().filter(({ effect }) => effect.getKeyframes().some((frame) => 'translate' in frame || 'scale' in frame)).length"
    assert zoe.page.evaluate(moving) == 0


def test_a_hug_moves_for_everybody_else(two_friends: tuple[Window, Window]) -> None:
    ana, zoe = two_friends
    ana.hug(zoe, "with all my heart")
    expect(zoe.arrival).to_be_visible()
    assert zoe.page.evaluate("document.querySelector('.embrace__one').getAnimations().length") > 0
