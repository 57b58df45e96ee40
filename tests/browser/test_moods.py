"""Moods in the browser: logged in two taps, saved, counted, drawn."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from domain.ids import uuid7
from tests.browser.looks import CONTRAST
from tests.browser.proxy import CuttableProxy
from tests.browser.test_keyboard import Keyboard
from tests.browser.window import ARRIVES_MS, BACK_MS, Window

pytestmark = pytest.mark.browser
MakeWindow = Callable[..., Window]
OVERLAPPING_WORDS = """() => {
    const boxes = [...document.querySelectorAll(".chart__text, .plane__word:not(.plane__word--crowded), .plane__edge")].map((node) => node.getBoundingClientRect());
    const meet = (one, two) => one.left < two.right - 1 && two.left < one.right - 1 && one.top < two.bottom - 2 && two.top < one.bottom - 2;
    return boxes.filter((one, at) => boxes.slice(at + 1).some((two) => meet(one, two))).length;
}"""
SAVED_MS = 20_000  # queue, worker, disk, and back; again with the same id if that did not work
KEPT_MOODS = "Object.keys(localStorage).filter((key) => key.startsWith('hugmood.mood.')).length"


class Diary:
    """The moods of one person, in the words of the page."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page

    def open(self) -> "Diary":
        self.page.get_by_role("link", name="Moods").locator("visible=true").click()
        expect(self.page.locator(".plane__word").first).to_be_attached()
        expect(self.page.get_by_role("heading", name="Your days")).to_be_visible()
        return self

    def tap(self, pleasant: float, energy: float) -> None:
        """The first tap; both from −1 to 1."""
        plane = self.page.locator("#plane")
        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()
        assert box is not None
        plane.click(position={"x": box["width"] * (1 + pleasant) / 2, "y": box["height"] * (1 - energy) / 2})

    def name(self, word: str) -> None:
        """The second tap."""
        self.page.get_by_role("group", name="Words near that place").get_by_role("button", name=word).click()

    @property
    def details(self) -> Locator:
        return self.page.locator("#mood-details")

    @property
    def receipt(self) -> Locator:
        return self.page.locator("#unsaved .receipt")

    def is_saved(self) -> None:
        expect(self.receipt).to_have_text("Saved", timeout=SAVED_MS)

    @property
    def entries(self) -> Locator:
        return self.page.locator("#diary > li")

    def streak(self, words: str) -> Locator:
        return self.page.locator("#streak li", has_text=words)


def where_it_is_noon() -> str:
    """A time zone in which no test runs into the next day. The sign is that of POSIX: east is negative."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@pytest.fixture
def ana(window: MakeWindow) -> Diary:
    return Diary(window("Ana", timezone_id=where_it_is_noon()).come_in()).open()


def test_three_moods_make_a_day_and_a_line(ana: Diary) -> None:
    expect(ana.page.locator("#chart")).to_have_text("No mood was logged in this time.")
    for (pleasant, energy), word in (((0.9, 0.3), "Happy"), ((0.5, -0.8), "Calm"), ((-0.4, 0.2), "Worried")):
        ana.tap(pleasant, energy)
        ana.name(word)
        ana.is_saved()
        expect(ana.page.locator("#mood-told")).to_have_text(f"{word}: saved")
    expect(ana.entries).to_have_count(3)
    expect(ana.entries.locator("strong")).to_have_text(["Worried", "Calm", "Happy"])

    expect(ana.streak("in a row")).to_have_text("1 in a row")
    expect(ana.streak("longest")).to_have_text("1 longest")
    today = ana.page.locator(".month td[aria-current=date]")
    expect(today).to_contain_text(", with a mood, today")
    expect(ana.page.locator(".month .day--logged")).to_have_count(1)

    drawing = ana.page.get_by_role("img", name="How pleasant 3 moods were")
    expect(drawing).to_be_visible()
    expect(drawing.locator(".chart__dot")).to_have_count(1)
    ana.page.get_by_text("As a table").click()
    row = ana.page.locator(".chart__table tbody tr")
    expect(row.locator("td")).to_have_text(["3", "+0.3", "−0.4", "+0.9"])
    ana.page.get_by_text("As a table").click()
    for reach in ("90 days", "1 year", "30 days"):
        ana.window.button(reach).click()
        expect(ana.window.button(reach)).to_have_attribute("aria-pressed", "true")
        expect(drawing).to_be_visible()
    expect(ana.page.locator("#patterns")).to_contain_text("With fewer than 21 days")
    ana.page.reload()
    expect(ana.entries).to_have_count(3)
    expect(ana.streak("in a row")).to_have_text("1 in a row")


def test_days_that_are_told_soon_after_count(ana: Diary) -> None:
    """Three days in a row make a milestone, and a line."""
    words = (("Worried", -0.4, 0.2), ("Hopeful", 0.6, 0.0), ("Joyful", 0.8, 0.15))
    for days_ago, (word, pleasant, energy) in zip((2, 1, 0), words, strict=True):
        if days_ago:
            ana.page.get_by_text("Note, tags, the day").click()
            ana.details.get_by_label("When, if not now").fill(local_time(days_ago))
        ana.tap(pleasant, energy)
        ana.name(word)
        ana.is_saved()
    expect(ana.streak("in a row")).to_have_text("3 in a row")
    expect(ana.page.locator(".toast")).to_contain_text(["3 days with a mood in a row"])
    expect(ana.page.locator(".chart__dot")).to_have_count(3)
    expect(ana.page.locator(".chart__line")).to_have_count(1)
    expect(ana.entries.locator("strong")).to_have_text(["Joyful", "Hopeful", "Worried"])
    for width, name in ((1280, "moods"), (390, "moods-phone")):
        ana.page.set_viewport_size({"width": width, "height": 1500})
        expect(ana.page.locator(".chart__picture")).to_be_visible()
        ana.window.picture(name)
    ana.window.button("Earlier month").click()
    expect(ana.page.locator(".month td[aria-current=date]")).to_have_count(0)
    expect(ana.window.button("Earlier month")).to_be_focused()


def test_a_missed_day_is_repaired_in_the_calendar(ana: Diary) -> None:
    ana.window.log_at_once(felt(2), felt(0))
    expect(ana.streak("in a row")).to_have_text("1 in a row")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    missed = f"{yesterday.day} {yesterday:%B %Y}"
    if yesterday.month != datetime.now(UTC).month:
        ana.window.button("Earlier month").click()
    ana.window.button(f"Repair {missed}").click()
    dialog = ana.page.get_by_role("dialog", name=f"Repair {missed}?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(ana.streak("in a row")).to_have_text("1 in a row")
    ana.window.button(f"Repair {missed}").click()
    dialog.get_by_role("button", name="Repair it").click()
    expect(ana.streak("in a row")).to_have_text("3 in a row")
    expect(ana.page.locator(".month .day--repaired")).to_have_count(1)
    expect(ana.window.button(f"Repair {missed}")).to_have_count(0)
    ana.window.picture("moods-repaired")


def test_a_gentle_line_comes_once(ana: Diary) -> None:
    prompt = ana.page.locator("#care-prompt")
    expect(prompt).to_be_hidden()
    with ana.page.expect_response("**/v1/care/shown"):
        ana.window.log_at_once(*(felt(days, valence=-0.9, arousal=-0.2) for days in range(6)))
    expect(prompt).to_contain_text("If you like to talk to somebody")
    ana.window.button("here are people who listen").click()
    expect(ana.page.locator("#care .resource").first).to_be_visible()
    ana.page.keyboard.press("Escape")
    ana.window.button("Put this away").click()
    expect(prompt).to_be_hidden()
    with ana.page.expect_response("**/v1/care?**"):
        ana.page.reload()
    expect(ana.entries).to_have_count(6)
    expect(prompt).to_be_hidden()


def test_what_goes_with_moods_is_told_in_words(ana: Diary) -> None:
    patterns = ana.page.locator("#patterns")
    ana.window.log_at_once(felt(0))
    expect(ana.entries).to_have_count(1)
    ana.window.button("Look now").click()
    expect(patterns).to_contain_text("there is 1 day so far", timeout=SAVED_MS)
    expect(patterns).to_contain_text("Looked for today at")

    did_run = [bool(0b1011_0010_0111_0100_1101_0010_1100 >> day & 1) for day in range(28)]
    ana.window.log_at_once(
        *(
            felt(day, valence=(0.5 if ran else -0.2) + 0.01 * (day * 7 % 5), factors={"exercise": ran})
            for day, ran in enumerate(did_run)
        )
    )
    expect(ana.page.locator(".chart__dot")).to_have_count(28)
    ana.window.button("Look now").click()
    expect(patterns.locator(".pattern").first).to_contain_text("exercise", timeout=SAVED_MS)
    expect(patterns.locator(".pattern").first).to_contain_text("From 28 days")
    expect(patterns).to_contain_text("need not be the cause")
    ana.window.picture("moods-patterns")


def felt(days_ago: int, **fields: object) -> dict[str, object]:
    """`mood.log`, of a moment some days ago where it is noon."""
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    return {
        "id": uuid7(int(moment.timestamp() * 1000)),
        "mood": "tired",
        "timezone": where_it_is_noon(),
        "felt_at": moment.isoformat(),
    } | fields


def local_time(days_ago: int) -> str:
    """As a field for dates and times takes it, where it is noon."""
    noon = datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=days_ago)
    return noon.strftime("%Y-%m-%dT%H:%M")


def test_a_place_is_kept_as_tapped_and_details_go_with_it(ana: Diary) -> None:
    ana.page.get_by_text("Note, tags, the day").click()
    ana.details.get_by_label("A note, for you alone").fill("By the lake.")
    ana.details.get_by_label("Tags, with commas between").fill("friends, outdoors , friends")
    ana.details.get_by_label("Hours of sleep").fill("7.5")
    ana.details.get_by_label("Exercise").select_option("Yes")
    ana.details.get_by_label("Who may see the mood").select_option("private")
    ana.tap(0.9, 0.4)
    with ana.page.expect_response(lambda found: "/v1/moods?" in found.url and found.json()["items"] != []) as found:
        ana.name("Excited")
    ana.is_saved()
    (mood,) = found.value.json()["items"]
    assert mood["valence"] == pytest.approx(0.9, abs=0.02)
    assert mood["arousal"] == pytest.approx(0.4, abs=0.02)
    assert mood["tags"] == ["friends", "outdoors"]
    assert mood["factors"] == {"sleep_hours": 7.5, "exercise": True}
    expect(ana.entries).to_contain_text(["By the lake."])
    expect(ana.details.get_by_label("Hours of sleep")).to_be_hidden()


def test_what_cannot_be_is_told_before_it_is_sent(ana: Diary) -> None:
    ana.page.get_by_text("Note, tags, the day").click()
    ana.details.get_by_label("Tags, with commas between").fill(",".join(f"tag {number}" for number in range(11)))
    ana.tap(0.9, 0.4)
    ana.name("Excited")
    expect(ana.details.get_by_role("alert")).to_have_text("A mood has at most 10 tags.")
    expect(ana.receipt).to_have_count(0)
    ana.details.get_by_label("Tags, with commas between").fill("one")
    ana.name("Excited")
    ana.is_saved()


def test_what_the_hub_refuses_is_told_with_the_reason(ana: Diary) -> None:
    ana.page.clock.set_fixed_time(datetime(2020, 1, 1, tzinfo=UTC))  # the page is told another date than the hub
    ana.page.get_by_text("Note, tags, the day").click()
    ana.details.get_by_label("When, if not now").fill("2019-12-30T12:00")
    ana.tap(0.9, 0.4)
    ana.name("Excited")
    expect(ana.receipt).to_have_text("A mood is told within 30 days.")
    ana.window.button("Remove excited").click()
    expect(ana.receipt).to_have_count(0)
    expect(ana.entries).to_have_count(0)


def test_editing_and_deleting(ana: Diary) -> None:
    ana.tap(0.5, -0.8)
    ana.name("Calm")
    ana.is_saved()
    ana.window.button("Add a note to calm").click()
    dialog = ana.page.get_by_role("dialog", name="Calm")
    dialog.get_by_label("A note").fill("After the rain.")
    dialog.get_by_label("Who may see").select_option("friends")
    dialog.get_by_role("button", name="Save").click()
    expect(ana.entries).to_contain_text(["After the rain."])
    expect(ana.entries).to_contain_text(["Friends may see it"])
    ana.window.button("Edit Calm").click()
    expect(dialog.get_by_label("A note")).to_have_value("After the rain.")
    ana.page.keyboard.press("Escape")
    ana.window.button("Delete… Calm").click()
    ana.window.button("Delete").click()
    expect(ana.entries).to_have_count(0)
    expect(ana.page.locator("#diary-empty")).to_be_visible()
    expect(ana.streak("in a row")).to_have_text("0 in a row")


def test_without_a_mouse(window: MakeWindow) -> None:
    ana = Diary(window("Ana").come_in())
    keys = Keyboard(ana.window)
    keys.go_to("Moods").press("Enter")
    expect(ana.page.locator("#moods-heading")).to_be_focused()
    keys.go_to("All words, in a list").press("Enter")
    quarters = ana.page.locator("#words").get_by_role("group")
    expect(quarters).to_have_count(5)
    expect(quarters.first).to_have_accessible_name("Pleasant, with energy")
    keys.go_to("Curious").press("Enter")
    ana.is_saved()
    expect(ana.page.locator("#mood-told")).to_have_text("Curious: saved")
    expect(ana.entries.locator("strong")).to_have_text(["Curious"])


def test_somebody_to_talk_to_is_near(ana: Diary) -> None:
    keys = Keyboard(ana.window)
    keys.go_to("Someone to talk to").press("Enter")
    expect(ana.page.get_by_role("dialog", name="Someone to talk to")).to_be_visible()
    expect(ana.page.locator("#care .resource").first).to_be_visible()
    ana.page.keyboard.press("Escape")
    expect(ana.window.button("Someone to talk to")).to_be_focused()


def test_a_mood_without_a_connection_outlives_the_page_and_is_one_mood(
    window: MakeWindow, proxy: CuttableProxy
) -> None:
    ana = Diary(window("Ana", through=proxy).come_in(remember=True)).open()
    proxy.cut()
    ana.window.is_not_live()
    ana.tap(0.5, -0.8)
    ana.name("Calm")
    expect(ana.receipt).to_have_text("Waits for the connection")
    assert ana.page.evaluate(KEPT_MOODS) == 1
    proxy.mend()
    ana.page.reload()
    ana.window.is_live(BACK_MS)
    expect(ana.entries).to_have_count(1, timeout=SAVED_MS)
    ana.is_saved()
    assert ana.page.evaluate(KEPT_MOODS) == 0
    ana.page.reload()
    expect(ana.entries).to_have_count(1)
    expect(ana.receipt).to_have_count(0)


def test_a_mood_is_sent_again_until_the_hub_says_it_is_saved(window: MakeWindow, proxy: CuttableProxy) -> None:
    ana = Diary(window("Ana", through=proxy).come_in()).open()
    proxy.mute_hub()
    ana.tap(0.5, -0.8)
    ana.name("Calm")
    expect(ana.receipt).to_have_text("Saving…")
    proxy.cut()
    ana.window.is_not_live()
    proxy.mend()
    ana.window.is_live(BACK_MS)
    ana.is_saved()
    expect(ana.entries).to_have_count(1)


def test_the_other_window_hears_of_it(window: MakeWindow) -> None:
    one = Diary(window("Ana").come_in(remember=True)).open()
    two = Diary(window("Ana", context=one.page.context).open().is_live()).open()
    one.tap(0.5, -0.8)
    one.name("Calm")
    one.is_saved()
    expect(two.entries.locator("strong")).to_have_text(["Calm"])
    two.window.button("Delete… Calm").click()
    two.window.button("Delete").click()
    expect(one.entries).to_have_count(0)


def test_the_ways_between_hugs_and_moods(window: MakeWindow) -> None:
    for width in (390, 1280):
        ana = Diary(window("Ana", viewport={"width": width, "height": 800}).come_in()).open()
        back = ana.window.button("Friends") if width < 720 else ana.page.get_by_role("link", name="Hugs")
        back.click()
        expect(ana.page.locator("#friends-heading")).to_be_visible()
        expect(ana.page.get_by_role("heading", name="Your days")).to_be_hidden()
        assert "#" not in ana.page.url
        ana.open()
        ana.page.go_back()
        expect(ana.page.locator("#friends-heading")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("device", "width", "height"),
    [("phone", 390, 844), ("small", 320, 640), ("tablet", 820, 1100), ("desktop", 1280, 860)],
)
def test_it_fits_and_can_be_read(
    window: MakeWindow, tmp_path: Path, device: str, width: int, height: int, scheme: str
) -> None:
    view = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "reduced_motion": "reduce"}
    ana = Diary(window("Ana", **view).come_in()).open()

    def look(what: str) -> None:
        ana.window.has_no_horizontal_scroll()
        ana.page.screenshot(path=tmp_path / f"moods-{device}-{scheme}-{what}.png", full_page=True)
        assert ana.page.evaluate(CONTRAST) == []

    look("empty")
    ana.tap(0.6, 0.2)
    look("near")
    # Both taps are within reach of one thumb: what the first suggests is in view.
    last = ana.page.locator("#near button").last.bounding_box()
    tabs = ana.page.locator(".tabs").bounding_box() if width < 720 else None
    assert last is not None
    assert last["y"] + last["height"] <= (tabs["y"] if tabs is not None else height)
    ana.page.locator("#near button").first.click()
    ana.is_saved()
    expect(ana.entries).to_have_count(1)
    for fold in ("All words, in a list", "Note, tags, the day", "As a table"):
        ana.page.get_by_text(fold).click()
    look("open")
    for reach in ("90 days", "1 year"):
        with ana.page.expect_response("**/v1/moods/timeline?**"):
            ana.window.button(reach).click()
        assert ana.page.evaluate(OVERLAPPING_WORDS) == 0
    ana.window.button("Someone to talk to").click()
    expect(ana.page.locator("#care .resource").first).to_be_visible(timeout=ARRIVES_MS)
    look("care")
