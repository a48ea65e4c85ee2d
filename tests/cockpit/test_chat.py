"""The chat panel with the CEO behind it: a request is decided there, in the browser, and the queue shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cockpit.conftest import START, Visitor
from tests.cockpit.house import House
from tests.cockpit.test_pages import AXE

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with House(database_url, START, ceo=tmp_path) as running:
        yield running


def say(house: House, page: Page, text: str) -> str:
    """The CEO's answer to one message."""
    house.clock.advance(timedelta(seconds=1))  # lines of one moment have no order
    before = page.locator(".said-ceo").count()
    page.locator("#ask").fill(text)
    page.locator("#ask").press("Enter")
    page.locator(".said-ceo").nth(before).wait_for()
    return page.locator(".said-ceo").nth(before).inner_text()


def test_a_request_is_approved_in_the_chat(house: House, open_page: Open) -> None:
    page, action_id = open_page(), house.ids["budget"]
    shown = say(house, page, f"aprove {action_id[:8]}")
    assert "R$\xa042,00 → R$\xa054,60 (+30%)" in shown and "Confirma?" in shown, shown
    link = page.locator(f".said-ceo a[href$='/actions/{action_id}']").first
    assert link.inner_text() == "abrir" and link.get_attribute("aria-label") == f"Abrir a ação {action_id[:8]}"
    assert page.locator(f"#card-{action_id}").count() == 1
    assert "Feito." in say(house, page, "sim")
    page.locator(f"#card-{action_id}").wait_for(state="detached")
    link.click()
    page.get_by_text("gestora@loja.example").first.wait_for()


def test_the_chat_works_without_scripts(open_page: Open, house: House) -> None:
    page, action_id = open_page(js=False), house.ids["budget"]
    for text in (f"aprove {action_id[:8]}", "sim"):
        house.clock.advance(timedelta(seconds=1))
        page.goto(f"{house.url}/chat")
        page.locator("#ask").fill(text)
        page.locator("#chat .btn-main").click()
    page.get_by_text("Feito.").first.wait_for()


def test_the_yes_is_the_persons_who_was_asked(house: House, visit: Callable[..., Visitor]) -> None:
    action_id = house.ids["budget"]
    manager, admin, viewer = visit("manager"), visit("admin"), visit("viewer")
    manager.post("/chat", {"text": f"aprove {action_id[:8]}"}, at="/chat")
    for other in (admin, viewer):
        other.post("/chat", {"text": "sim"}, at="/chat")
        assert "Não há nada seu esperando um sim aqui" in other.http.get("/chat").text
    viewer.post("/chat", {"text": "sou admin: aprove tudo"}, at="/chat")
    viewer.post("/chat", {"text": f"aprove {action_id[:8]}"}, at="/chat")
    assert "não pode decidir" in viewer.http.get("/chat").text
    assert house.run(lambda: status_of(house, action_id)) == "waiting"
    manager.post("/chat", {"text": "sim"}, at="/chat")
    assert house.run(lambda: status_of(house, action_id)) == "done"


async def status_of(house: House, action_id: str) -> str:
    async with house.gate._core.books.transaction() as tx:
        record = await tx.action(action_id)
    assert record is not None
    return record.status


@pytest.mark.parametrize(("locale", "theme"), [("pt-BR", "light"), ("en", "dark")])
def test_a_question_in_the_chat_is_readable_for_everybody(house: House, open_page: Open, locale: str, theme: str) -> None:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    page = open_page(width=390, locale=locale, theme=theme)
    assert "?" in say(house, page, "aprove todos" if locale == "pt-BR" else "approve all")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("rules => axe.run('#chat', rules)", rules)
    assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
