"""Several windows of one browser: different people, or one person whose windows agree."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.window import Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
MakeContext = Callable[..., BrowserContext]
PRESENCE_MS = 15_000  # a change waits up to 5 s for the one before it
EXPIRE = """(storage) => {
    const kept = JSON.parse(storage.getItem("hugmood.identity"));
    storage.setItem("hugmood.identity", JSON.stringify({ ...kept, expiresAt: 0 }));
}"""


def test_two_windows_of_one_browser_are_two_people(make_context: MakeContext, window: MakeWindow) -> None:
    profile = make_context()
    ana, zoe = window("Ana", context=profile).come_in(), window("Zoë", context=profile).come_in()
    ana.befriend(zoe)
    ana.hug(zoe, "from the next window")
    expect(zoe.received("from the next window")).to_be_visible()
    for one in (ana, zoe):
        one.page.reload()
        one.is_live()
        expect(one.page.locator("#self-name")).to_have_text(one.name)


def test_only_who_asks_for_it_is_remembered(make_context: MakeContext, window: MakeWindow) -> None:
    profile = make_context()
    window("Ana", context=profile).come_in()
    later = window("nobody", context=profile).open()
    expect(later.button("Come in")).to_be_visible()
    zoe = window("Zoë", context=profile).come_in(remember=True)
    later.page.reload()
    expect(later.is_live().page.locator("#self-name")).to_have_text(zoe.name)
    later.log_out()
    assert window("nobody", context=profile).open().button("Come in").is_visible()


def test_windows_of_one_person_show_the_same(make_context: MakeContext, window: MakeWindow) -> None:
    profile = make_context()
    here, zoe = window("Ana", context=profile).come_in(remember=True), window("Zoë").come_in()
    here.befriend(zoe)
    there = window(here.name, context=profile).open().is_live()
    expect(there.friend(zoe)).to_be_visible()
    here.hug(zoe, "sent here")
    expect(there.receipt("sent here")).to_have_text("Seen")
    expect(there.sent("sent here")).to_contain_text(zoe.name)
    zoe.hug(here, "for both")
    for one in (here, there):
        expect(one.received("for both")).to_be_visible()


def test_windows_that_share_a_log_in_renew_it_together(make_context: MakeContext, window: MakeWindow) -> None:
    profile = make_context()
    windows = [window("Ana", context=profile).come_in(remember=True)]
    windows += [window("Ana", context=profile).open().is_live() for _ in range(2)]
    for _ in range(3):
        # A refresh token that two windows use would end the log-in of all of them.
        windows[0].page.evaluate(f"({EXPIRE})(localStorage)")
        for one in windows:
            one.page.reload(wait_until="commit")
        for one in windows:
            one.is_live()


def test_a_copied_window_hears_of_renewed_tokens(make_context: MakeContext, window: MakeWindow) -> None:
    profile = make_context()
    ana = window("Ana", context=profile).come_in()
    # What "duplicate tab" does: the copy has the storage of its original.
    kept = ana.page.evaluate("sessionStorage.getItem('hugmood.identity')")
    copy = window("Ana", context=profile).open()
    copy.page.evaluate("(kept) => sessionStorage.setItem('hugmood.identity', kept)", kept)
    copy.page.reload()
    copy.is_live()
    ana.page.evaluate(f"({EXPIRE})(sessionStorage)")
    ana.page.reload()
    ana.is_live()
    renewed = "JSON.parse(sessionStorage.getItem('hugmood.identity')).refresh"
    assert copy.page.evaluate(renewed) == ana.page.evaluate(renewed)
    copy.page.evaluate(f"({EXPIRE})(sessionStorage)")
    copy.page.reload()
    copy.is_live()


def test_who_has_not_touched_the_page_for_five_minutes_is_away(window: MakeWindow) -> None:
    ana, zoe = window("Ana").come_in(), window("Zoë")
    zoe.page.clock.install()
    zoe.come_in()
    ana.befriend(zoe)
    expect(ana.friend(zoe)).to_contain_text("Online")
    zoe.page.clock.fast_forward("05:01")
    expect(ana.friend(zoe)).to_contain_text("Away", timeout=PRESENCE_MS)
    zoe.page.mouse.move(10, 10)
    expect(ana.friend(zoe)).to_contain_text("Online", timeout=PRESENCE_MS)
