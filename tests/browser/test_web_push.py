"""Web Push in a real browser: switching it on and off, what its service worker shows, and where a click leads.

No push service can be reached from here. Where a subscription is needed, one made by the test stands in for what the
browser would have been given; all that follows is the page's, the worker's and the hub's own.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Locator, Page, Worker, expect

from domain.ids import uuid7
from tests.browser.window import KEPT, Window
from tests.support.devices import subscription

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
MakeContext = Callable[..., BrowserContext]
ASK = "Tell me when somebody hugs me"
STOP = "Do not tell me here any more"
# What a push service would have given, kept as the browser keeps it. As an init script: the page's own code comes after it.
STAND_IN = """
    const made = %s;
    const subscribed = () => localStorage.getItem("test.subscription") === null ? null : {
        endpoint: made.endpoint,
        options: { applicationServerKey: null },
        toJSON: () => made,
        unsubscribe: async () => { localStorage.removeItem("test.subscription"); return true; },
    };
    PushManager.prototype.getSubscription = async () => subscribed();
    PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
        if (!userVisibleOnly || applicationServerKey.length !== 65) throw new TypeError("no browser takes that");
        localStorage.setItem("test.subscription", "yes");
        return subscribed();
    };
"""
NOTIFICATIONS = """navigator.serviceWorker.ready.then((registration) => registration.getNotifications()).then((all) =>
    all.map(({ title, body, tag, dir, data }) => ({ title, body, tag, dir, data })))"""
UNTIL_SHOWN = """async (title) => {
    const registration = await navigator.serviceWorker.ready;
    const isShown = async () => (await registration.getNotifications()).some((one) => one.title === title);
    while (!await isShown()) await new Promise((resolve) => setTimeout(resolve, 20));
}"""
# A click of the test's own is none of the browser's: it is heard, but has no leave to open or to focus a window.
CLICK = """() => self.registration.getNotifications().then(([notification]) => {
    self.opened = [];
    Object.defineProperty(self.clients, "openWindow", { value: async (url) => self.opened.push(url), configurable: true });
    const event = new NotificationEvent("notificationclick", { notification });
    event.waitUntil = (work) => (self.work = work);
    self.dispatchEvent(event);
    return self.work.then(() => self.opened);
})"""


@pytest.fixture
def granted(make_context: MakeContext) -> BrowserContext:
    """A browser that lets pages notify, and has been given a subscription."""
    context = make_context()
    context.grant_permissions(["notifications"])
    context.add_init_script(STAND_IN % json.dumps(subscription()))
    return context


@pytest.fixture
def ana(window: MakeWindow, granted: BrowserContext) -> Window:
    """Ana, in a browser where push is on."""
    return switched_on(window("Ana", context=granted).come_in())


def switched_on(one: Window) -> Window:
    offer(one).get_by_role("button", name=ASK).click()
    is_on(one)
    one.page.keyboard.press("Escape")
    return one


def offer(one: Window) -> Locator:
    """What the settings say of push in this browser."""
    dialog = one.page.get_by_role("dialog", name="Settings")
    if not dialog.is_visible():
        one.button("Settings").click()
    return dialog.locator(".push")


def devices(one: Window) -> Locator:
    offer(one)
    return one.page.get_by_role("list", name="Devices that are pushed to").get_by_role("listitem")


def is_on(one: Window) -> None:
    expect(offer(one).get_by_role("button", name=STOP)).to_be_visible()
    expect(devices(one)).to_have_count(1)
    expect(devices(one)).to_contain_text("This browser")


def is_off(one: Window) -> None:
    expect(offer(one).get_by_role("button", name=ASK)).to_be_visible()
    expect(devices(one)).to_have_count(0)


class Pushes:
    """The service worker of a page that is open, seen from the browser."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._origin = page.evaluate("location.origin")
        self._registration = ""
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.on("ServiceWorker.workerRegistrationUpdated", self._heard)
        self._cdp.send("ServiceWorker.enable")
        while not self._registration:
            page.evaluate("navigator.serviceWorker.ready.then(() => true)")  # meanwhile the browser tells of it

    def _heard(self, event: dict[str, Any]) -> None:
        for registration in event["registrations"]:
            if registration["scopeURL"].startswith(self._origin) and not registration["isDeleted"]:
                self._registration = registration["registrationId"]

    @property
    def worker(self) -> Worker:
        (worker,) = self._page.context.service_workers
        return worker

    def deliver(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        """As if a push service had brought it. Returns all that is shown then."""
        message = {"origin": self._origin, "registrationId": self._registration, "data": json.dumps(told)}
        self._cdp.send("ServiceWorker.deliverPushMessage", message)
        self._page.evaluate(UNTIL_SHOWN, told["title"])
        return list(self._page.evaluate(NOTIFICATIONS))


def test_switched_on_by_a_click_and_off_by_another(ana: Window) -> None:
    expect(devices(ana)).to_contain_text("Chrome on Linux")
    devices(ana).scroll_into_view_if_needed()
    ana.picture("push-on")
    ana.page.reload()
    ana.is_live()
    is_on(ana)
    offer(ana).get_by_role("button", name=STOP).click()
    is_off(ana)
    assert ana.page.evaluate("localStorage.getItem('test.subscription')") is None
    ana.page.reload()
    ana.is_live()
    is_off(ana)


def test_nobody_is_asked_before_a_click(window: MakeWindow, granted: BrowserContext) -> None:
    granted.add_init_script("Notification.requestPermission = () => { throw new Error('asked') };")
    asked: list[str] = []
    ana = window("Ana", context=granted)
    ana.page.on("request", lambda request: asked.append(request.url))
    ana.come_in()
    expect(offer(ana).get_by_role("button", name=ASK)).to_be_visible()
    assert ana.page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    assert not [url for url in asked if url.endswith(("/v1/push/key", "/push_worker.js"))]


def test_devices_are_named_and_removed(ana: Window) -> None:
    devices(ana).get_by_role("button", name="Rename").click()
    ana.page.get_by_label("New name of Chrome on Linux").fill("The old laptop")
    ana.page.keyboard.press("Enter")
    expect(devices(ana)).to_contain_text("The old laptop")
    expect(devices(ana).get_by_role("button", name="Rename")).to_be_focused()
    ana.page.reload()
    ana.is_live()
    is_on(ana)
    expect(devices(ana)).to_contain_text("The old laptop")
    devices(ana).get_by_role("button", name="Remove").click()
    is_off(ana)


def test_a_browser_that_was_removed_elsewhere_is_off(ana: Window) -> None:
    removed = f"""async () => {{
        const how = {{ headers: {{ authorization: `Bearer ${{{KEPT}.access}}` }} }};
        const {{ items }} = await (await fetch("/v1/me/devices", how)).json();
        return (await fetch(`/v1/me/devices/${{items[0].id}}`, {{ method: "DELETE", ...how }})).ok;
    }}"""
    assert ana.page.evaluate(removed)
    ana.page.reload()
    ana.is_live()
    is_off(ana)


def test_who_logs_out_leaves_no_subscription_to_the_next(ana: Window) -> None:
    ana.log_out()
    kept = "[localStorage.getItem('test.subscription'), localStorage.getItem('hugmood.push')]"
    assert ana.page.evaluate(kept) == [None, None]


def test_a_push_is_shown_and_a_click_leads_to_the_hug(ana: Window, window: MakeWindow) -> None:
    zoe = window("Zoë").come_in()
    ana.befriend_at_once(zoe)
    zoe.hug(ana, "for the locked screen")
    ana.page.keyboard.press("Escape")
    card = ana.received("for the locked screen")
    hug, delivery = card.get_attribute("data-hug"), uuid7(1_700_000_000_000)
    ana.page.get_by_role("link", name="Moods").click()

    data = {"kind": "hug.received", "id": hug, "delivery": delivery, "seq": "3", "count": "1"}
    pushes = Pushes(ana.page)
    first = pushes.deliver({"title": "Zoë hugged you", "body": "", "tag": "hug-received", "badge": 1, "data": data})
    assert first == [{"title": "Zoë hugged you", "body": "", "tag": "hug-received", "dir": "auto", "data": data}]
    merged = pushes.deliver(
        {"title": "Zoë hugged you 2 times", "body": "warmly", "tag": "hug-received", "badge": 2, "data": data}
    )
    assert [(one["title"], one["body"]) for one in merged] == [("Zoë hugged you 2 times", "warmly")]

    # There was no such delivery: what the hub would answer is not the matter here.
    ana.page.route("**/v1/me/notifications/opened", lambda route: route.fulfill(json={"unread": 0}))
    with ana.page.expect_request("**/v1/me/notifications/opened") as opened:
        assert pushes.worker.evaluate(CLICK) == []
    assert opened.value.post_data_json == {"delivery": delivery}
    expect(card).to_be_focused()
    assert ana.page.evaluate(NOTIFICATIONS) == []


def test_a_click_with_no_page_open_leads_a_new_page_there(window: MakeWindow, granted: BrowserContext) -> None:
    ana = switched_on(window("Ana", context=granted).come_in(remember=True))
    pushes = Pushes(ana.page)
    pushes.deliver({"title": "Your days in a row", "data": {"kind": "streak.at_risk", "days": "4"}})
    worker = pushes.worker
    ana.page.goto("about:blank")
    (address,) = worker.evaluate(CLICK)
    ana.page.goto(f"{ana.url}{address}")
    expect(ana.page.locator("#moods-heading")).to_be_focused()
    assert ana.page.evaluate("location.hash") == "#moods"


@pytest.mark.parametrize(
    "address", ["#push=nonsense", "#push=%7B%22kind%22%3A%22hug.received%22%2C%22id%22%3A%22%5C%22%5D%2C%20body%22%7D"]
)
def test_an_address_that_somebody_made_up_does_no_harm(window: MakeWindow, address: str) -> None:
    ana = window("Ana").come_in(remember=True)
    page = ana.page
    page.goto(f"{ana.url}/{address}")
    page.reload()
    ana.is_live()
    expect(
        page.locator("#received-heading").or_(page.locator("#notifications-heading")).locator(":scope:focus")
    ).to_be_visible()
    assert page.evaluate("location.hash") == ""


def test_a_browser_without_push_says_so(window: MakeWindow, make_context: MakeContext) -> None:
    context = make_context()
    context.add_init_script("delete globalThis.PushManager")
    ana = window("Ana", context=context).come_in()
    expect(offer(ana).get_by_role("status")).to_have_text(
        "This browser offers no push. Here you are told while the page is open."
    )
    expect(offer(ana).get_by_role("button")).to_have_count(0)


def test_who_does_not_want_to_be_asked_is_told_the_way_back(window: MakeWindow) -> None:
    ana = window("Ana").come_in()
    offer(ana).get_by_role("button", name=ASK).click()  # a browser without a person at it says no
    expect(offer(ana)).to_contain_text("Notifications of this page are blocked in this browser.")
    expect(offer(ana).get_by_role("button")).to_have_count(0)


def test_without_a_push_service_the_page_says_so(window: MakeWindow, make_context: MakeContext) -> None:
    context = make_context()
    context.grant_permissions(["notifications"])
    ana = window("Ana", context=context).come_in()
    offer(ana).get_by_role("button", name=ASK).click()
    expect(offer(ana).get_by_role("alert")).to_contain_text("Your browser could not reach its push service")
    expect(offer(ana).get_by_role("button", name=ASK)).to_be_enabled()
    expect(devices(ana)).to_have_count(0)
    ana.picture("push-unreachable")
    # Chromium tells on the console that it refuses because this profile is not kept.
    (told,) = ana.errors
    assert "Push API in incognito mode" in told
    ana.errors.clear()


def test_a_push_service_that_never_answers_is_not_waited_for(window: MakeWindow, granted: BrowserContext) -> None:
    granted.add_init_script("PushManager.prototype.subscribe = () => new Promise(() => {})")
    ana = window("Ana", context=granted)
    ana.page.clock.install()
    ana.come_in()
    with ana.page.expect_response("**/v1/push/key"):
        offer(ana).get_by_role("button", name=ASK).click()
    ana.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    for _ in range(3):  # the wait begins a moment after the worker is ready
        ana.page.clock.fast_forward("00:20")
    expect(offer(ana).get_by_role("alert")).to_contain_text("Your browser could not reach its push service")
