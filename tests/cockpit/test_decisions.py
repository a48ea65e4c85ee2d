"""Deciding in a browser beyond yes and no: edit, several at once, more time, undo, and what others did meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from knowledge.domain.action import Actor, Creative, PublishCampaign, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from knowledge.domain.policy import QuorumStep
from runtime.cockpit.cards import together
from tests.cockpit.conftest import Visitor
from tests.cockpit.house import House
from tests.cockpit.seed import POLICY, brl
from tests.cockpit.test_pages import AXE, card, status

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
BUYER = Actor(kind="agent", id="media_buyer")
DONA = Actor(kind="user", id="dona@loja.example", role="admin")


def replaced_by(house: House, name: str) -> str:
    async def read() -> str:
        async with house.database.transaction() as tx:
            found = await tx.conn.execute(text("select action_id from approvals where edited_from = :id"), {"id": house.ids[name]})
            return str(found.scalar_one())

    return house.run(read)


def type_budget(page: Page, amount: str, reason: str = "menos risco") -> None:
    """Fills the edit form that is open."""
    page.locator("input[name=daily_budget]:visible").fill(amount)
    page.locator("[id^=why-]:visible").fill(reason)


def test_a_card_says_rule_number_limit_and_what_to_do(house: House, open_page: Open) -> None:
    page = open_page()
    words = card(page, house, "budget").inner_text()
    for part in (
        "Mudança grande",
        "guardrails.financial.approval_above",
        "+30%",
        "20%",
        "Aprove, edite ou rejeite",
        "Pior gasto a mais até expirar, 25/11 17:42",
        "R$\xa015,12",
        "Lucro em 7 dias",
        "+R$\xa0310,00 (80%: −R$\xa042,00 a +R$\xa0690,00)",
        "Uma aprovação (gestor ou acima)",
        "nada muda",
    ):
        assert part in words, part
    refused = page.locator("#r-refusals article", has_text="Marca")
    words = refused.inner_text()
    for part in ("Maior aumento de uma vez", "max_single_increase", "+108%", "50%", "Peça um passo menor", "daily_cap", "R$\xa0300,00",
                 "Intervalo entre aumentos", "48 h", "Livre a partir de", "27/11 08:00"):  # fmt: skip
        assert part in words, part
    assert "A partir de 27/11 08:00, e até R$\xa037,50 por dia (números de 25/11 10:00)." in words
    words = page.locator("#r-refusals article", has_text="Chapa Bifeteira").inner_text()
    assert "Até R$\xa012,67 por dia caberia (números de 25/11 13:20). Peça esse valor ou menos." in words


def test_what_is_said_to_fit_does_fit(house: House, visit: Callable[..., Visitor]) -> None:
    """The amount on a refusal's card passes the same gate; one cent more does not."""
    assert "12,67" in visit("manager").http.get("/approvals").text

    async def ask(amount: str) -> list[str]:
        action = PublishCampaign(
            platform="google", campaign_id=f"c-{amount}", product_id="p", name="Chapa", daily_budget=brl(amount),
            creatives=(Creative(id="x", headline="Chapa", text="Inox."),), landing_url="https://loja.example/chapa",
        )  # fmt: skip
        got = await house.gate.submit(Proposal(action=action, key=amount, proposer=BUYER, why=Message(id="gate.done")))
        return [f.rule for f in got.findings if f.answer == "refuse"]

    assert house.run(lambda: ask("12.68")) == ["daily_cap"]
    assert house.run(lambda: ask("12.67")) == []


@pytest.mark.parametrize("js", [True, False])
def test_a_narrower_edit_is_shown_what_the_rules_say_and_approved_by_its_editor(house: House, open_page: Open, js: bool) -> None:
    page = open_page(js=js)
    if js:
        card(page, house, "budget").focus()
        page.keyboard.press("e")
    else:
        card(page, house, "budget").locator("[data-edit] summary").click()
    type_budget(page, "muito")
    page.get_by_role("button", name="Ver o que as regras dizem").locator("visible=true").first.click()
    assert page.locator("input[name=daily_budget][aria-invalid=true] + .wrong").inner_text().startswith("Isto não é um valor")
    type_budget(page, "190,00")
    page.get_by_role("button", name="Ver o que as regras dizem").click()
    page.locator(".notice-bad", has_text="recusam esta versão").wait_for()
    page.locator(".reasons", has_text="Maior aumento de uma vez").wait_for()
    assert status(house, "budget") == "waiting"
    type_budget(page, "52,00")
    page.get_by_role("button", name="Salvar edição").click()
    page.locator(".notice-good", has_text="Editado").wait_for()
    assert status(house, "budget") == "replaced"
    made = replaced_by(house, "budget")
    assert page.url.endswith(f"/actions/{made}")
    page.get_by_text("O que a edição mudou").wait_for()
    page.get_by_role("button", name="Aprovar").click()
    page.locator("#undo").wait_for()
    assert house.ads["tiktok"].campaigns["x-c-bancada"].daily_budget.minor == 5200


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("1e5", "Isto não é um valor"),
        ("50 a 60", "Isto não é um valor"),
        ("US$ 52", "“US$” é outra moeda"),
        ("52 USD", "Escreva o valor em BRL"),
        ("0", "O valor precisa ser maior que zero"),
    ],
)
def test_an_amount_that_is_not_read_whole_is_refused_beside_its_field(
    house: House, open_page: Open, typed: str, wrong: str
) -> None:
    page = open_page()
    page.goto(f"{house.url}/approvals/{house.ids['budget']}/edit")
    type_budget(page, typed)
    page.get_by_role("button", name="Salvar edição").click()
    assert wrong in page.locator("input[name=daily_budget][aria-invalid=true] + .wrong").inner_text()
    assert status(house, "budget") == "waiting"


def test_thousands_in_words_are_read_exactly(house: House, open_page: Open) -> None:
    page = open_page()
    page.goto(f"{house.url}/approvals/{house.ids['budget']}/edit")
    type_budget(page, "R$ 0,052 mil")  # three decimals could be a group of thousands
    page.get_by_role("button", name="Salvar edição").click()
    assert "Isto não é um valor" in page.locator("input[name=daily_budget] + .wrong").inner_text()
    type_budget(page, "0,05 mil")
    page.get_by_role("button", name="Salvar edição").click()
    page.wait_for_url("**/actions/*")  # less than is asked about: done at once
    assert status(house, "budget") == "replaced"


def test_a_wider_edit_needs_somebody_else(house: House, open_page: Open) -> None:
    page = open_page()
    page.goto(f"{house.url}/approvals/{house.ids['budget']}/edit")
    type_budget(page, "60,00", "quero mais")
    page.get_by_role("button", name="Salvar edição").click()
    page.get_by_text("Sua edição pede mais do que o pedido original").wait_for()
    assert page.get_by_role("button", name="Aprovar").count() == 0
    made = replaced_by(house, "budget")
    other = open_page("admin")
    other.goto(f"{house.url}/actions/{made}")
    other.get_by_role("button", name="Aprovar").click()
    other.locator("#undo").wait_for()
    assert house.ads["tiktok"].campaigns["x-c-bancada"].daily_budget.minor == 6000


def review(page: Page, house: House, *names: str) -> None:
    """Ticks the named requests and opens the page that shows them together."""
    for name in names:
        card(page, house, name).locator("[data-pick]").check()
    page.get_by_role("button", name="Conferir selecionados").click()
    page.get_by_role("heading", name=f"Conferir {len(names)} pedidos").wait_for()


@pytest.mark.parametrize("js", [True, False])
def test_several_are_decided_at_once_with_their_worst_case_together(house: House, open_page: Open, js: bool) -> None:
    page = open_page(js=js)
    page.get_by_role("button", name="Conferir selecionados").click()
    page.locator("#notice .notice-bad", has_text="Selecione pelo menos um").wait_for()
    review(page, house, "budget", "pause")
    assert page.locator(".stake-value").inner_text() == "R$\xa015,12"
    words = page.locator("form.approval").inner_text()
    for part in ("se você aprovar todos", "de um teto de R$\xa0300,00", "R$\xa042,00 → R$\xa054,60 (+30%)", "ATIVA → PAUSADA",
                 "Mudança grande: 30%"):  # fmt: skip
        assert part in words, part
    assert (status(house, "budget"), status(house, "pause")) == ("waiting", "waiting"), "looking decides nothing"
    page.get_by_role("button", name="Aprovar 2").click()
    page.locator("#notice .notice-good", has_text="2 de 2 aprovados").wait_for()
    assert (status(house, "budget"), status(house, "pause")) == ("done", "done")


def test_several_are_rejected_with_one_reason_and_the_no_of_one_is_told(house: House, open_page: Open) -> None:
    page = open_page(js=False)
    review(page, house, "budget", "pause")

    async def meanwhile() -> None:
        await house.gate.reject(house.ids["pause"], DONA, "por telefone")

    house.run(meanwhile)
    page.locator("[data-batch-reject] summary").click()
    page.locator("#batch-reason").fill("orçamento do mês acabou")
    page.get_by_role("button", name="Rejeitar 2").click()
    notice = page.locator("#notice .notice-bad", has_text="1 de 2 rejeitados")
    notice.get_by_text("Pausar campanha · Meta · Promo Inverno").wait_for()
    assert (status(house, "budget"), status(house, "pause")) == ("rejected", "rejected")


def test_a_review_leaves_out_what_does_not_wait_and_what_ones_own_yes_does_not_move(
    house: House, open_page: Open, visit: Callable[..., Visitor]
) -> None:
    async def wider() -> None:
        gestora = Actor(kind="user", id="gestora@loja.example", role="manager")
        asked = {"daily_budget": brl("60.00").model_dump(mode="json")}
        assert (await house.gate.edit(house.ids["budget"], gestora, asked, "mais")).ok

    house.run(wider)
    page = open_page(js=False)
    page.goto(f"{house.url}/approvals")
    for box in page.locator("[data-pick]").all():
        box.check()
    page.get_by_role("button", name="Conferir selecionados").click()
    page.locator(".wrong", has_text="Fica de fora: Sua edição").wait_for()
    assert page.locator(".stake-value").inner_text() == "não aumenta o gasto", "only the pause counts"
    page.get_by_role("button", name="Aprovar 1").click()
    page.locator("#notice", has_text="1 de 1 aprovados").wait_for()
    assert status(house, "pause") == "done"
    assert visit("manager").http.get("/approvals/batch").headers["location"] == "/approvals"


def test_the_worst_case_of_several_counts_two_changes_of_one_budget_once() -> None:
    def row(campaign: str, kind: str, minor: int | None) -> Any:
        amount = None if minor is None else brl(f"{minor / 100:.2f}")
        return SimpleNamespace(id=f"{campaign}{kind}{minor}", kind=kind, campaign_id=campaign, exposure=amount)

    rows = [row("a", "campaign.set_budget", 500), row("a", "campaign.set_budget", 900), row("a", "campaign.resume", 100),
            row("b", "campaign.publish", 50), row("c", "campaign.publish", None), row("d", "campaign.pause", None)]  # fmt: skip
    found = together(rows, POLICY, lambda kind: kind != "campaign.pause")
    assert (found.worst, found.unknown) == (brl("10.50"), 1)


def test_more_time_moves_the_deadline_and_withdrawal_is_no_disagreement(house: House, open_page: Open) -> None:
    page = open_page()
    assert "30 min" in card(page, house, "pause").locator("header").inner_text()
    card(page, house, "pause").locator("[data-extend] summary").click()
    card(page, house, "pause").locator("select[name=hours]").select_option("4")
    card(page, house, "pause").get_by_role("button", name="Estender").click()
    card(page, house, "pause").locator("header", has_text="4 h 30 min").wait_for()
    card(page, house, "pause").locator("[data-withdraw] summary").click()
    card(page, house, "pause").locator("[data-withdraw] input[name=reason]").fill("pedido repetido")
    card(page, house, "pause").get_by_role("button", name="Confirmar retirada").click()
    card(page, house, "pause").wait_for(state="detached")
    assert status(house, "pause") == "cancelled"


def test_undo_shows_what_it_would_do_and_says_why_it_cannot(house: House, open_page: Open) -> None:
    page = open_page()
    page.locator("#r-feed li", has_text="Aumentou o orçamento de “Google · Marca”").get_by_role("link", name="Desfazer").click()
    box = page.locator("#undo")
    assert "R$\xa029,00" in box.inner_text() and "R$\xa025,00" in box.inner_text()
    box.locator("[name=reason]").fill("caro demais")
    box.get_by_role("button", name="Desfazer esta ação").click()
    page.locator("#undo", has_text="Não dá para desfazer").wait_for()
    assert house.ads["google"].campaigns["x-c-marca"].daily_budget.minor == 2500
    page.goto(f"{house.url}/actions/{house.ids['pause']}")
    assert page.locator("#undo").count() == 0  # nothing was done yet


def test_undo_refuses_what_somebody_changed_since(house: House, open_page: Open) -> None:
    house.ads["google"].put("x-c-marca", "Marca", brl("33.00"), "active")
    page = open_page()
    page.goto(f"{house.url}/actions/{house.ids['marca']}")
    page.locator("#undo", has_text="Mudou depois na própria plataforma").wait_for()
    assert page.get_by_role("button", name="Desfazer esta ação").count() == 0


def test_what_expired_or_was_decided_meanwhile_says_so(house: House, visit: Callable[..., Visitor]) -> None:
    manager = visit("manager")
    page = manager.http.get(f"/actions/{house.ids['budget']}").text
    shown = page.split('name="fingerprint" value="', 1)[1].split('"', 1)[0]

    async def other() -> None:
        await house.gate.reject(house.ids["pause"], DONA, "por telefone")

    house.run(other)
    late = manager.post(
        f"/approvals/{house.ids['pause']}/approve", {"fingerprint": ""}, HX_Request="true", HX_Current_URL=f"{house.url}/"
    )
    assert "notice-bad" in late.text and status(house, "pause") == "rejected"
    edit = manager.http.get(f"/approvals/{house.ids['pause']}/edit").text
    assert "não espera mais por ninguém" in edit and '<button class="btn" name="do"' not in edit
    house.clock.advance(timedelta(hours=3))
    waiting = manager.http.get(f"/actions/{house.ids['budget']}").text
    assert "O prazo terminou sem resposta" in waiting and "data-approve" not in waiting
    late = manager.post(
        f"/approvals/{house.ids['budget']}/approve", {"fingerprint": shown}, HX_Request="true", HX_Current_URL=f"{house.url}/"
    )
    assert "O prazo de aprovação terminou sem resposta" in late.text
    assert status(house, "budget") == "expired"
    assert house.ads["tiktok"].campaigns["x-c-bancada"].daily_budget.minor == 4200


def with_autonomy(monkeypatch: pytest.MonkeyPatch, **dials: Any) -> None:
    """The gate's law from now on."""
    from tests.cockpit import seed

    own = seed.POLICY.autonomy.model_copy(update=dials)
    monkeypatch.setattr(seed, "POLICY", seed.POLICY.model_copy(update={"autonomy": own}))


def test_a_large_amount_needs_two_people_and_says_who_is_missing(
    house: House, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_autonomy(monkeypatch, quorum=(QuorumStep(above=brl("50.00"), approvals=2),))
    page = open_page()
    card(page, house, "budget").get_by_role("button", name="Aprovar").click()
    card(page, house, "budget").get_by_text("1 de 2 aprovações").wait_for()
    card(page, house, "budget").get_by_text("gestora@loja.example (gestor)").wait_for()
    card(page, house, "budget").get_by_text("Você já aprovou; falta outra pessoa.").wait_for()
    assert status(house, "budget") == "waiting"
    other = open_page("admin")
    card(other, house, "budget").get_by_role("button", name="Aprovar").click()
    card(other, house, "budget").wait_for(state="detached")
    assert status(house, "budget") == "done"


@pytest.mark.parametrize("js", [True, False])
def test_a_scheduled_action_is_given_time_done_early_or_withdrawn(
    house: House, open_page: Open, monkeypatch: pytest.MonkeyPatch, js: bool
) -> None:
    with_autonomy(monkeypatch, grace_minutes=30)

    async def propose(campaign: str, platform: Any, amount: str) -> str:
        action = SetBudget(platform=platform, campaign_id=campaign, daily_budget=brl(amount))
        why = Message(id="gate.done")
        asked = Proposal(action=action, key=f"grace:{campaign}", proposer=BUYER, why=why, confidence=Decimal("0.95"))
        receipt = await house.gate.submit(asked)
        assert receipt.status == "scheduled", receipt
        return receipt.action_id

    first = house.run(lambda: propose("c-b2b", "linkedin", "14.00"))
    second = house.run(lambda: propose("c-fogao", "google", "13.00"))
    page = open_page(js=js)
    box = page.locator(f"#card-{first}")
    for part in ("Executa em 30 min", "Pior gasto a mais no dia em que for feita", "não aumenta o gasto", "R$\xa014,00", "Parar"):
        assert part in box.inner_text(), part
    box.locator("[data-extend] summary").click()
    box.locator("select[name=hours]").select_option("2")
    box.get_by_role("button", name="Estender").click()
    page.locator(f"#card-{first}", has_text="Executa em 2 h 30 min").wait_for()
    page.locator(f"#card-{first}").get_by_role("button", name="Fazer agora").click()
    page.locator(f"#card-{first}").wait_for(state="detached")
    assert house.ads["linkedin"].campaigns["x-c-b2b"].daily_budget.minor == 1400
    box = page.locator(f"#card-{second}")
    box.locator("[data-withdraw] summary").click()
    box.locator("[data-withdraw] input[name=reason]").fill("melhor amanhã")
    box.get_by_role("button", name="Confirmar: não fazer").click()
    page.locator(f"#card-{second}").wait_for(state="detached")
    house.clock.advance(timedelta(hours=1))

    async def release() -> int:
        return await house.gate.release_due()

    assert house.run(release) == 0
    assert house.ads["google"].campaigns["x-c-fogao"].daily_budget.minor == 1500


@pytest.mark.parametrize(
    "path",
    ["/approvals/{budget}/withdraw", "/approvals/{budget}/extend", "/approvals/{budget}/edit", "/approvals/batch", "/undo",
     "/actions/{budget}/act-early", "/kill/{budget}/resume"],
)  # fmt: skip
def test_viewers_and_forgeries_change_nothing(house: House, visit: Callable[..., Visitor], path: str) -> None:
    where = path.format(**house.ids)
    fields = {
        "reason": "x",
        "hours": "1",
        "do": "approve",
        "pick": f"{house.ids['budget']}:x",
        "daily_budget": "1",
        "correlation": "x",
    }
    assert visit("viewer").post(where, fields).status_code == 403
    assert visit("manager").http.post(where, data=fields).status_code == 403
    assert visit("viewer").http.get(f"/approvals/{house.ids['budget']}/edit").status_code == 403
    assert status(house, "budget") == "waiting"


def test_stops_of_every_scope_are_set_shown_and_resumed(house: House, open_page: Open) -> None:
    page = open_page(js=False)
    page.goto(f"{house.url}/stops")
    for scope, target in (("campaign", "c-marca"), ("agent", "media_buyer"), ("platform", "tiktok")):
        box = page.locator(f"details:has(input[name=scope][value={scope}])").last
        if box.get_attribute("open") is None:
            box.locator("summary").click()
        box.locator("[name=target]").select_option(target)
        box.locator("[name=reason]").fill(f"teste {scope}")
        box.get_by_role("button").click()
        page.locator(".stopbar", has_text=f"teste {scope}").wait_for()
    assert page.locator(".stopbar").count() == 3
    for left in (2, 1, 0):
        page.locator(".stopbar summary").first.click()
        page.get_by_role("button", name="Confirmar retomada").first.click()
        assert page.locator(".stopbar").count() == left
    assert page.locator("#h-past ~ ul li").count() == 3


@pytest.mark.parametrize(("locale", "theme"), [("pt-BR", "light"), ("en", "dark")])
def test_axe_finds_nothing_on_the_other_pages_and_390_pixels_are_enough(
    house: House, open_page: Open, locale: str, theme: str
) -> None:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    page = open_page(width=390, locale=locale, theme=theme)
    budget, marca = house.ids["budget"], house.ids["marca"]
    for path in ("/approvals", f"/actions/{marca}", f"/approvals/{budget}/edit", "/stops", "/audit?verify=1", "/settings"):
        page.goto(house.url + path)
        for box in page.locator("details").all():
            box.evaluate("box => { box.removeAttribute('name'); box.open = true }")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found: Any = page.evaluate("rules => axe.run(document, rules)", rules)
        assert [(path, v["id"], [node["html"] for node in v["nodes"]]) for v in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_everything_of_one_cause_is_undone_together_and_each_answers(house: House, open_page: Open) -> None:
    async def propose(campaign: str, platform: Any, amount: str) -> str:
        action = SetBudget(platform=platform, campaign_id=campaign, daily_budget=brl(amount))
        asked = Proposal(
            action=action, key=f"night:{campaign}", proposer=BUYER, why=Message(id="gate.done"), confidence=Decimal("0.95"),
            correlation_id="decide:night",
        )  # fmt: skip
        receipt = await house.gate.submit(asked)
        if not receipt.done:  # so many campaigns in one day are a manager's question
            assert (await house.gate.approve(receipt.action_id, DONA)).ok
        return receipt.action_id

    first = house.run(lambda: propose("c-b2b", "linkedin", "14.00"))
    house.run(lambda: propose("c-fogao", "google", "13.00"))
    house.ads["google"].put("x-c-fogao", "Fogão Industrial", brl("12.00"), "active")  # by hand, since
    page = open_page(js=False)
    page.goto(f"{house.url}/actions/{first}")
    page.get_by_text("Desfazer 2 ações").click()
    page.get_by_role("button", name="Confirmar: desfazer todas").click()
    page.locator("#notice", has_text="1 de 2").wait_for()
    page.locator("#notice", has_text="Mudou depois na própria plataforma").wait_for()
    assert house.ads["linkedin"].campaigns["x-c-b2b"].daily_budget.minor == 1500
    assert house.ads["google"].campaigns["x-c-fogao"].daily_budget.minor == 1200
