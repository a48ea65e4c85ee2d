"""A seeded cockpit and a browser. Each test has its own house, since tests decide and stop things."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.cockpit.house import PASSWORD, PEOPLE, House

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)
CHROMIUM = Path(os.environ.get("CEO_TEST_CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with House(database_url, START) as running:
        yield running


class Visitor:
    """Someone with a browser's cookies and no browser: forms with their tokens."""

    def __init__(self, house: House, role: str | None = None) -> None:
        self.http = httpx.Client(base_url=house.url, headers={"Accept-Language": "pt-BR"})
        if role is not None:
            answer = self.post("/login", {"email": PEOPLE[role], "password": PASSWORD}, at="/login")
            assert answer.status_code == 303

    def token(self, at: str = "/") -> str:
        page = self.http.get(at)
        assert page.status_code == 200
        return page.text.split('name="csrf" value="', 1)[1].split('"', 1)[0]

    def post(self, path: str, fields: dict[str, str], at: str = "/", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, data={"csrf": self.token(at)} | fields, headers=named)


@pytest.fixture
def visit(house: House) -> Iterator[Callable[..., Visitor]]:
    made: list[Visitor] = []

    def make(role: str | None = None) -> Visitor:
        made.append(Visitor(house, role))
        return made[-1]

    yield make
    for visitor in made:
        visitor.http.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; set CEO_TEST_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def meant(line: str) -> bool:
    """A form sent back with what is wrong in it, and a page left before its socket was up, are no faults."""
    return "status of 422" in line or "closed before the connection is established" in line


@pytest.fixture
def open_page(browser: Browser, house: House) -> Iterator[Callable[..., Page]]:
    """Opens the cockpit signed in; any console error or failed script fails the test."""
    contexts: list[Any] = []
    trouble: list[str] = []

    def make(
        role: str | None = "manager", *, width: int = 1360, locale: str = "pt-BR", theme: str = "light", js: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            locale=locale,
            color_scheme=theme,  # pyright: ignore[reportArgumentType]
            java_script_enabled=js,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on(
            "console",
            lambda line: trouble.append(line.text) if line.type in ("error", "warning") and not meant(line.text) else None,
        )
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(f"{house.url}/login")
        if role is not None:
            page.locator("#email").fill(PEOPLE[role])
            page.locator("#password").fill(PASSWORD)
            page.locator("form[action$='/login'] button").click()
            page.locator("#r-kpis").wait_for()
            if js:
                page.locator("html[data-connected]").wait_for()
        return page

    yield make
    for context in contexts:
        context.close()
    assert trouble == []
