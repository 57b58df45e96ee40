"""One person at one browser window, in the words of the page."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

PASSWORD = "a few words in a row"
ARRIVES_MS = 10_000
KEPT = "JSON.parse(sessionStorage.getItem('hugmood.identity'))"
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"  # for people to look at; `make clean` takes them away
BACK_MS = 30_000  # the longest backoff, and then some


class Window:
    """Everything a test does or looks at goes through labels and roles, as for somebody who hears the page."""

    def __init__(self, context: BrowserContext, url: str, name: str = "", *, expects_cuts: bool = False) -> None:
        """*expects_cuts*: the network will fail, and the browser may say so on its console."""
        self.name = name
        self.url = url
        self.page: Page = context.new_page()
        self.page.set_default_timeout(ARRIVES_MS)
        self.errors: list[str] = []
        self._expects_cuts = expects_cuts
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        if self._expects_cuts and ("net::ERR_" in message.text or "WebSocket connection to" in message.text):
            return
        self.errors.append(f"console {message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.errors.append(f"an external resource: {request.url}")

    # Coming in

    def open(self) -> "Window":
        self.page.goto(self.url)
        return self

    def come_in(self, *, remember: bool = False) -> "Window":
        self.open()
        self.page.get_by_label("Your name").fill(self.name)
        self.page.get_by_label("Remember me").set_checked(remember)
        self.button("Come in").click()
        return self.is_live()

    def register(self) -> "Window":
        self.open()
        handle = re.sub(r"[^a-z0-9]+", ".", self.name.lower()).strip(".")
        form = self._way_in("Register")
        form.get_by_label("User name").fill(handle)
        form.get_by_label("E-mail").fill(f"{handle}@example.org")
        form.get_by_label("Password").fill(PASSWORD)
        form.get_by_role("button", name="Register").click()
        self.name = handle
        return self.is_live()

    def log_in(self, email: str, password: str) -> None:
        form = self._way_in("Log in")
        form.get_by_label("E-mail").fill(email)
        form.get_by_label("Password").fill(password)
        form.get_by_role("button", name="Log in").click()

    def _way_in(self, name: str) -> Locator:
        self.page.get_by_role("tab", name=name).click()
        return self.page.get_by_role("tabpanel", name=name)

    def log_out(self) -> None:
        self.button("Settings").click()
        self.button("Log out").click()
        expect(self.page.get_by_role("tab", name="Guest")).to_be_visible()

    def is_live(self, within_ms: int = ARRIVES_MS) -> "Window":
        expect(self.page.locator("#connection-text")).to_have_text("Live", timeout=within_ms)
        return self

    def is_not_live(self) -> "Window":
        expect(self.page.locator("#connection-text")).not_to_have_text("Live")
        return self

    # Friends

    def search(self, text: str) -> None:
        self.page.get_by_label("Find people by name").fill(text)

    def cannot_find(self, other: "Window") -> None:
        """Others with similar names may be found."""
        self.search("")
        with self.page.expect_response("**/v1/users?**"):
            self.search(other.name)
        expect(self.page.locator("#found")).to_be_visible()
        expect(self.page.locator("#found-list > li", has_text=other.name)).to_have_count(0)

    def ask(self, other: "Window") -> None:
        self.search(other.name)
        self.button(f"Add friend {other.name}").click()
        expect(self.button(f"Withdraw {other.name}")).to_be_visible()
        self.search("")

    def befriend(self, other: "Window") -> None:
        """Ask *other*, who accepts."""
        self.ask(other)
        other.button(f"Accept {self.name}").click()
        for one, two in ((self, other), (other, self)):
            expect(one.friend(two)).to_be_visible()

    def befriend_at_once(self, other: "Window") -> None:
        """The same without the page, which is quicker: for tests of something else."""
        self._post("/v1/friends/requests", {"to": other.user_id})
        other._post("/v1/friends/requests/answer", {"from": self.user_id, "accept": True})
        for one, two in ((self, other), (other, self)):
            expect(one.friend(two)).to_be_visible()

    def log_at_once(self, *moods: dict[str, object]) -> None:
        """Moods that are saved, without the page."""
        self._post("/v1/moods/batch?wait=1", {"moods": list(moods)})

    @property
    def user_id(self) -> str:
        return str(self.page.evaluate(f"{KEPT}.user.id"))

    def _post(self, path: str, body: dict[str, object]) -> None:
        post = f"""([path, body]) => fetch(path, {{
            method: "POST",
            headers: {{ "content-type": "application/json", authorization: `Bearer ${{{KEPT}.access}}` }},
            body: JSON.stringify(body),
        }}).then(({{ ok }}) => ok)"""
        assert self.page.evaluate(post, [path, body])

    def friend(self, other: "Window") -> Locator:
        return self.page.locator("#friends-list > li", has_text=other.name)

    # Hugs

    def hug(self, other: "Window", message: str = "", kind: str = "Warm") -> None:
        self.friend(other).get_by_role("button", name=f"Hug {other.name}").click()
        self.page.get_by_role("radio", name=kind).check()
        self.page.get_by_label("A few words").fill(message)
        self.button("Send the hug").click()
        expect(self.page.get_by_role("dialog")).to_have_count(0)

    def received(self, text: str = "") -> Locator:
        return self.page.locator("#received-list > li", has_text=text)

    def sent(self, text: str = "") -> Locator:
        return self.page.locator("#sent-list > li", has_text=text)

    def receipt(self, text: str) -> Locator:
        return self.sent(text).locator(".receipt")

    @property
    def arrival(self) -> Locator:
        return self.page.locator(".arrival__card")

    def received_messages(self) -> list[str]:
        """Messages of the hugs received, oldest first."""
        return list(reversed(self.page.locator("#received-list .hug__message").all_text_contents()))

    # Group hugs

    def host(self, name: str, *friends: "Window", message: str = "") -> None:
        """Open a room and invite *friends* to it."""
        self.button("Group hug").click()
        self.page.get_by_label("What is it called?").fill(name)
        self.page.get_by_label("Say something to whom you invite").fill(message)
        for friend in friends:
            self.page.get_by_label(friend.name, exact=True).check()
        self.button("Open the room").click()
        self.is_in_room(name)

    def join(self, name: str) -> None:
        self.button(f"Join {name}").click()
        self.is_in_room(name)

    def is_in_room(self, name: str) -> None:
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def is_out_of_room(self) -> None:
        expect(self.page.locator("#friends-heading")).to_be_visible()

    @property
    def faces(self) -> Locator:
        return self.page.locator("#circle-faces > li")

    @property
    def moment(self) -> Locator:
        return self.page.locator(".moment__card")

    # Looking

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def has_no_horizontal_scroll(self) -> None:
        width, seen = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= seen, f"the page is {width} px wide in a window of {seen} px"

    def picture(self, name: str, *, in_motion: bool = False) -> None:
        """A screenshot that is kept; without *in_motion*, of how things are once they have come to rest."""
        SCREENSHOTS.mkdir(exist_ok=True)
        if not in_motion:
            short = "({ effect }) => effect.getComputedTiming().endTime < 3_000"
            self.page.evaluate(f"document.getAnimations().filter({short}).forEach((animation) => animation.finish())")
        self.screenshot(SCREENSHOTS, name)

    def screenshot(self, folder: Path, name: str) -> None:
        self.page.screenshot(path=folder / f"{name}.png")
