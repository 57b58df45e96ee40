"""The browser client where it needs no browser, and what must hold for every file of the page."""

import json
import re
import subprocess
from pathlib import Path

import playwright
import pytest

from protocol.codes import reconnects

pytestmark = pytest.mark.browser
WEB = Path(__file__).parents[2] / "hub" / "web"
SCRIPTS = Path(__file__).parent / "js"
CODES = range(1000, 5000)


@pytest.fixture(scope="module")
def node() -> str:
    """The one that Playwright's wheel carries: a machine with only Python has no other."""
    return str(Path(playwright.__file__).parent / "driver" / "node")


def test_the_client_by_scripted_connections(node: str) -> None:
    files = sorted(str(path) for path in SCRIPTS.glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_close_codes_mean_the_same_in_both_clients(node: str) -> None:
    script = f"""
        import {{ reconnects }} from {json.dumps((WEB / "codes.js").as_uri())};
        const codes = Array.from({{ length: {len(CODES)} }}, (_, index) => {CODES.start} + index);
        console.log(JSON.stringify(codes.map(reconnects)));
    """
    done = subprocess.run([node, "--input-type=module", "--eval", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [str(reconnects(code)) for code in CODES]


@pytest.mark.parametrize("path", sorted(WEB.glob("*.js")), ids=lambda path: path.name)
def test_data_never_becomes_markup_or_code(path: Path) -> None:
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert way not in path.read_text(), f"{way} in {path.name}"


def test_the_page_needs_nothing_but_its_own_files() -> None:
    for path in WEB.iterdir():
        addresses = set(re.findall(r"https?://[^\s\"')]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name
    page = (WEB / "index.html").read_text()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", page), (
        "a strict policy forbids inline code and styles"
    )
