"""The HTML report of a load test, opened from disk with the network cut off."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from loadtest.report.html import write_html
from loadtest.results import Table
from tests.browser.looks import CONTRAST
from tests.browser.window import SCREENSHOTS
from tests.support.results import result

pytestmark = pytest.mark.browser

STEPS = Table(
    "Memory",
    ["sessions", "hubs MiB", "hub KiB each"],
    [[1_000.0, 120.0, 2.5], [10_000.0, 131.0, 1.6], [100_000.0, 280.0, 1.5]],
)
OUTSIDE = """() => [...document.querySelectorAll("svg.chart")].flatMap((chart) => {
    const frame = chart.getBoundingClientRect();
    return [...chart.querySelectorAll("text, .mark")].filter((part) => {
        const box = part.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
    }).map((part) => `${chart.ariaLabel}: ${part.textContent || part.getAttribute("class")}`);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width"), [("desktop", 1280), ("phone", 390)])
def test_it_is_all_there_without_a_network(
    make_context: Callable[..., BrowserContext], tmp_path: Path, scheme: str, device: str, width: int
) -> None:
    path = tmp_path / "report.html"
    write_html([result(), result(title="Another run", problems=["a hug was lost"], tables=[STEPS])], path)
    page = make_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True).new_page()
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", name="Every promise was kept")).to_be_visible()
    expect(page.get_by_role("heading", name="1 promise was broken")).to_be_visible()
    for chart in page.locator("svg.chart").all():
        mark = chart.locator(".mark").first
        expect(mark).to_be_visible()
    assert page.locator("figure svg.chart").count() == 18
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(CONTRAST) == []
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"loadtest-report-{device}-{scheme}.png", full_page=True)
    assert errors == []
    assert requests == [path.as_uri()]
