"""A whole `hugmood up` and a real Chromium for the browser tests.

They run in a pytest process of their own: Playwright's synchronous API and asyncio tests exclude each other.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.proxy import CuttableProxy
from tests.browser.window import Window
from tests.support.servers import must_not_skip, temporary_folder

STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_numbers = count(1)


class Stack:
    """A running `hugmood up`."""

    def __init__(self, ready_file: Path) -> None:
        self._ready_file = ready_file
        self.url: str = self._read()["url"]
        self.port: int = urlsplit(self.url).port or 80

    def _read(self) -> Any:
        return json.loads(self._ready_file.read_text())

    @property
    def hubs(self) -> list[int]:
        """Process ids; restarted ones have new ones."""
        pids: list[int] = self._read()["pids"]["hubs"]
        return pids


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """`hugmood up` with two hubs on one port, without limits: one address makes all the people."""
    with temporary_folder() as folder:
        ready_file = folder / "ready.json"
        command = [
            str(Path(sys.executable).with_name("hugmood")),
            *("up", "--port", "0", "--hubs", "2", "--data", str(folder / "data"), "--ready-file", str(ready_file)),
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HUGMOOD_")}
        log = folder / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=environment | {"HUGMOOD_LIMITS": "off"}, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            deadline = time.monotonic() + STARTS_WITHIN_S
            while not ready_file.exists():
                assert process.poll() is None, f"hugmood up has ended:\n{log.read_text()}"
                assert time.monotonic() < deadline, f"hugmood up is not ready:\n{log.read_text()}"
                time.sleep(0.05)
            yield Stack(ready_file)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOPS_WITHIN_S)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if must_not_skip():
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def proxy(stack: Stack) -> Iterator[CuttableProxy]:
    """A way to the hubs that can be cut."""
    with CuttableProxy(stack.port) as proxy:
        yield proxy


@pytest.fixture
def make_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser profiles with nothing in them; options as of Playwright's `new_context`."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def window(stack: Stack, make_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Window]]:
    """Makes windows of people with names of their own. An error on any console fails the test."""
    windows: list[Window] = []

    def make(
        name: str,
        *,
        through: CuttableProxy | None = None,
        expects_cuts: bool = False,
        context: BrowserContext | None = None,
        **options: Any,
    ) -> Window:
        url = stack.url if through is None else f"http://127.0.0.1:{through.port}"
        made = Window(
            context if context is not None else make_context(**options),
            url,
            f"{name} {next(_numbers):03d}",
            expects_cuts=expects_cuts or through is not None,
        )
        windows.append(made)
        return made

    yield make
    errors = [f"{made.name}: {error}" for made in windows for error in made.errors]
    assert not errors, errors


@pytest.fixture
def two_friends(window: Callable[..., Window]) -> tuple[Window, Window]:
    """Ana and Zoë, who are friends, in two browsers."""
    ana, zoe = window("Ana").come_in(), window("Zoë").come_in()
    ana.befriend_at_once(zoe)
    return ana, zoe
