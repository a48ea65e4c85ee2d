"""The cockpit in a browser: deciding by click, key and plain form; stopping; live updates; accessibility."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from knowledge.domain.action import Actor, ResumeCampaign, SendMessage
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from tests.cockpit.house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
PAUSE = "Pausar campanha · Meta · Promo Inverno"


def status(house: House, name: str) -> str:
    async def read() -> str:
        async with house.database.transaction() as tx:
            return (await tx.conn.execute(text("select status from actions where id = :id"), {"id": house.ids[name]})).scalar_one()

    return house.run(read)


def card(page: Page, house: House, name: str) -> Any:
    return page.locator(f"#card-{house.ids[name]}")


def test_a_click_approves_and_the_card_leaves(house: House, open_page: Open) -> None:
    page = open_page()
    assert page.locator("[data-card]").count() == 2
    card(page, house, "budget").get_by_role("button", name="Aprovar").click()
    card(page, house, "budget").wait_for(state="detached")
    page.locator("#notice .notice-good").wait_for()
    assert status(house, "budget") == "done"
    assert house.ads["tiktok"].campaigns["x-c-bancada"].daily_budget.minor == 5460
    page.locator("#r-feed", has_text="Aumentou o orçamento de “TikTok · UGC Bancada Inox”").wait_for()


def test_keys_move_approve_and_hand_focus_to_the_next_card(house: House, open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("a")  # nothing is focused: nothing may happen
    page.keyboard.press("j")
    assert card(page, house, "budget").evaluate("card => card === document.activeElement")
    page.keyboard.press("a")
    card(page, house, "budget").wait_for(state="detached")
    page.locator(f"#card-{house.ids['pause']}:focus").wait_for()
    assert (status(house, "budget"), status(house, "pause")) == ("done", "waiting")


def test_rejecting_by_key_asks_the_reason_and_keeps_it(house: House, open_page: Open) -> None:
    page = open_page()
    card(page, house, "pause").focus()
    page.keyboard.press("r")
    page.keyboard.type("promoção termina amanhã")
    page.keyboard.press("Enter")
    card(page, house, "pause").wait_for(state="detached")
    assert status(house, "pause") == "rejected"
    page.locator("#r-feed", has_text="promoção termina amanhã").wait_for()


def test_without_javascript_everything_is_decided_by_forms(house: House, open_page: Open) -> None:
    page = open_page(js=False)
    card(page, house, "budget").get_by_role("button", name="Aprovar").click()
    assert page.locator("#notice").inner_text() != ""
    assert status(house, "budget") == "done"
    card(page, house, "pause").locator("[data-reject] summary").click()
    card(page, house, "pause").locator("[data-reason]").fill("ainda não")
    card(page, house, "pause").get_by_role("button", name="Confirmar rejeição").click()
    assert status(house, "pause") == "rejected"
    assert page.locator("[data-card]").count() == 0
    page.get_by_text("Nada espera por você.").wait_for()
    page.get_by_role("button", name="PARAR TUDO").click()
    page.get_by_role("button", name="Confirmar parada").click()
    page.locator(".stopbar").wait_for()
    page.locator("#ask").fill("tudo bem?")
    page.get_by_role("button", name="Enviar").click()
    page.get_by_text("(tudo bem?)").wait_for()


def test_the_kill_switch_stops_writes_and_is_resumed(house: House, open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="PARAR TUDO").click()
    page.locator("#kill-reason").fill("saldo estranho")
    page.get_by_role("button", name="Confirmar parada").click()
    page.locator(".stopbar", has_text="saldo estranho").wait_for()
    assert "ms" in page.locator("#notice").inner_text()

    async def try_resume() -> list[str]:
        action = ResumeCampaign(platform="meta", campaign_id="c-coifa")
        asked = Proposal(action=action, key="after-kill", proposer=Actor(kind="agent", id="ceo"), why=Message(id="gate.done"))
        receipt = await house.gate.submit(asked)
        return [finding.rule for finding in receipt.findings if finding.answer == "refuse"]

    assert "kill_switch" in house.run(try_resume)
    page.locator(".stopbar summary", has_text="Retomar").click()
    page.get_by_role("button", name="Confirmar retomada").click()
    page.locator(".stopbar").wait_for(state="detached")


def test_a_live_event_draws_the_page_again_without_losing_what_is_open(house: House, open_page: Open) -> None:
    page = open_page()
    card(page, house, "budget").locator("> .more > summary").click()
    card(page, house, "pause").focus()

    async def raise_alert() -> None:
        async with house.database.transaction() as tx:
            message = {"id": "seed.cap", "params": {"share": "84 %"}}
            await tx.alerts.open("cap", kind="budget", severity="critical", message=message, at=house.clock.now())
            tx.live_events.publish("alert.opened", {}, at=house.clock.now())
            tx.live_events.publish("approval.requested", {}, at=house.clock.now())

    started = time.monotonic()
    house.run(raise_alert)
    page.get_by_text("Gasto do dia em 84 % do teto.").wait_for()
    assert time.monotonic() - started < 2
    assert card(page, house, "budget").locator("> .more").evaluate("box => box.open")
    assert card(page, house, "pause").evaluate("card => card === document.activeElement")


def test_a_hidden_tab_disconnects_and_catches_up_when_seen_again(house: House, open_page: Open) -> None:
    page = open_page()
    hide = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); "
    hide += "document.dispatchEvent(new Event('visibilitychange')) }"
    with page.expect_event("websocket", predicate=lambda _: True, timeout=8000) as reconnected:
        page.evaluate(hide, True)

        async def decide() -> None:
            await house.gate.reject(house.ids["pause"], Actor(kind="user", id="outra@loja.example", role="manager"), "por telefone")

        house.run(decide)
        page.wait_for_timeout(400)
        assert card(page, house, "pause").count() == 1
        page.evaluate(hide, False)
    assert "last=" in reconnected.value.url
    card(page, house, "pause").wait_for(state="detached")


def test_alerts_are_acknowledged(house: House, open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Ciente").click()
    page.locator(".alert.seen", has_text="gestora@loja.example").wait_for()


def test_chat_answers_with_cited_rows(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("como está o ROAS?")
    page.keyboard.press("Enter")
    page.locator(".said-ceo", has_text="O ROAS real de 7 dias é 2,0.").wait_for()
    page.locator(".said-ceo summary").click()
    assert page.locator(".said-ceo td").all_inner_texts() == ["google", "4", "3,1"]
    assert page.locator("#ask").input_value() == ""
    page.get_by_role("button", name="O que você fez hoje?").click()
    page.locator(".said-user", has_text="O que você fez hoje?").wait_for()


def test_language_and_theme_are_remembered(open_page: Open) -> None:
    page = open_page(js=False)
    page.get_by_role("button", name="EN: English").click()
    page.get_by_role("heading", name="Approvals").wait_for()
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("button", name="Switch light or dark theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_viewer_sees_campaigns_but_no_buttons_and_no_people(house: House, open_page: Open) -> None:
    async def talk() -> None:
        async with house.database.transaction() as tx:
            conversation = (await tx.conn.execute(text("select id from conversations where owner = 'bot' limit 1"))).scalar_one()
        action = SendMessage(conversation_id=str(conversation), lead_id="l-1", text="Olá, dona Araújo!", epoch=0)
        proposer = Actor(kind="agent", id="sdr")
        await house.gate.submit(Proposal(action=action, key="hello", proposer=proposer, why=Message(id="gate.done")))

    house.run(talk)
    page = open_page("viewer")
    assert page.get_by_role("button", name="Aprovar").count() == 0
    assert page.get_by_role("button", name="PARAR TUDO").count() == 0
    assert page.locator("#r-feed", has_text="mensagem").count() == 0
    page.get_by_text("Só gestores decidem.").first.wait_for()
    assert open_page("manager").locator("#r-feed", has_text="mensagem").count() == 1


def test_a_busy_day_of_talk_does_not_push_the_decisions_off_the_page(house: House, visit: Callable[..., Any]) -> None:
    def feed(visitor: Any) -> list[str]:
        page = str(visitor.http.get("/").text)
        return re.findall(r'<li id="feed-.*?</li>', page[page.index('id="r-feed"') :], re.DOTALL)

    async def talk() -> None:
        async with house.database.transaction() as tx:
            conversation = (await tx.conn.execute(text("select id from conversations where owner = 'bot' limit 1"))).scalar_one()
        for number in range(25):
            action = SendMessage(conversation_id=str(conversation), lead_id="l-1", text=f"Olá, pela {number}ª vez!", epoch=0)
            proposer = Actor(kind="agent", id="sdr")
            await house.gate.submit(Proposal(action=action, key=f"hello-{number}", proposer=proposer, why=Message(id="gate.done")))

    manager = visit("manager")
    before = [line for line in feed(manager) if "mensagem" not in line.casefold()]
    assert len(before) >= 5
    house.run(talk)
    after = feed(manager)
    talked = [line for line in after if "mensagem" in line.casefold()]
    assert 0 < len(talked) <= 8 and len(after) <= 20
    decisions = {re.search(r"feed-([0-9a-f-]+)", line)[1] for line in after if line not in talked}  # type: ignore[index]
    kept = {re.search(r"feed-([0-9a-f-]+)", line)[1] for line in before[: 20 - len(talked)]}  # type: ignore[index]
    assert kept <= decisions


@pytest.mark.parametrize("locale", ["pt-BR", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_390_pixels_are_enough(open_page: Open, locale: str, theme: str, browser: Any) -> None:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    page = open_page(width=390, locale=locale, theme=theme)
    for box in page.locator("details").all():
        box.evaluate("box => { box.open = true }")
    addresses = [page.url, page.url + "chat", page.locator(".marks a").first.evaluate("link => link.href")]
    for address in addresses:
        if page.url != address:
            page.goto(address)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("rules => axe.run(document, rules)", rules)
        assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
