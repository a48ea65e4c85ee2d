"""Managers' commands in Portuguese and English, and sentences that must not become commands."""

from decimal import Decimal

import pytest

from agents.offline.commands import number, parse

READS = [
    ("quanto gastamos hoje?", "spend", None, "pt-BR"),
    ("Quanto já gastamos hoje", "spend", None, "pt-BR"),
    ("how much did we spend today?", "spend", None, "en"),
    ("por que você pausou a campanha Garrafa Térmica?", "explain", "Garrafa Térmica", "pt-BR"),
    ("pq pausaram a Garrafa?", "explain", "Garrafa", "pt-BR"),
    ("por que você aumentou o orçamento da Garrafa?", "explain", "Garrafa", "pt-BR"),
    ("why did you pause Thermal Bottle?", "explain", "Thermal Bottle", "en"),
    ("why was Thermal Bottle paused?", "explain", "Thermal Bottle", "en"),
    ("deu certo aumentar o orçamento da Garrafa?", "worked", "Garrafa", "pt-BR"),
    ("funcionou a pausa da Garrafa Térmica?", "worked", "Garrafa Térmica", "pt-BR"),
    ("o que fizemos deu certo?", "worked", None, "pt-BR"),
    ("did raising the budget of Thermal Bottle work?", "worked", "Thermal Bottle", "en"),
    ("did it work?", "worked", None, "en"),
    ("por que você pausou a Garrafa e deu certo?", "explain", "Garrafa e deu certo", "pt-BR"),
    ("como está o ROAS?", "performance", None, "pt-BR"),
    ("qual o ROAS da Garrafa Térmica nos últimos 14 dias?", "performance", "Garrafa Térmica", "pt-BR"),
    ("como está a campanha Garrafa?", "performance", "Garrafa", "pt-BR"),
    ("how is the ROAS?", "performance", None, "en"),
    ("quais aprovações estão pendentes?", "approvals", None, "pt-BR"),
    ("which approvals are pending?", "approvals", None, "en"),
    ("resumo do dia", "summary", None, "pt-BR"),
    ("summary of the day", "summary", None, "en"),
    ("liste as campanhas", "campaigns", None, "pt-BR"),
    ("quais produtos devo anunciar?", "products", None, "pt-BR"),
    ("qual a capital da França?", "unknown", None, "pt-BR"),
]


@pytest.mark.parametrize(("text", "kind", "campaign", "locale"), READS, ids=[c[0] for c in READS])
def test_questions(text: str, kind: str, campaign: str | None, locale: str) -> None:
    command = parse(text)
    assert (command.kind, command.campaign, command.locale) == (kind, campaign, locale)


BUDGETS = [
    ("aumente o orçamento de Garrafa Térmica em 30 %", "Garrafa Térmica", "30", None, False),
    ("aumente o orçamento da campanha Garrafa em 30%", "Garrafa", "30", None, False),
    ("por favor aumente 30% o orçamento da Garrafa", "Garrafa", "30", None, False),
    ("baixe 12,5% a verba da Garrafa", "Garrafa", "-12.5", None, False),
    ("reduza o orçamento de Garrafa em R$ 1.250,50", "Garrafa", None, "-1250.50", True),
    ("mude o orçamento de Garrafa para R$ 200", "Garrafa", None, "200", False),
    ("increase the budget of Thermal Bottle by 30%", "Thermal Bottle", "30", None, False),
    ("raise Thermal Bottle's budget to $120", "Thermal Bottle", None, "120", False),
    ("lower the budget of Thermal Bottle by 15 percent", "Thermal Bottle", "-15", None, False),
]


@pytest.mark.parametrize(("text", "campaign", "percent", "amount", "by"), BUDGETS, ids=[c[0] for c in BUDGETS])
def test_budget_changes(text: str, campaign: str, percent: str | None, amount: str | None, by: bool) -> None:
    command = parse(text)
    assert command.kind == "budget"
    assert command.campaign == campaign
    assert command.percent == (Decimal(percent) if percent else None)
    assert command.amount == (Decimal(amount) if amount else None)
    assert command.by is by


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pause Garrafa Térmica", "pause"),
        ("pause a campanha da Garrafa", "pause"),
        ("retome a Garrafa", "resume"),
        ("resume Bottle", "resume"),
    ],
)
def test_state_changes(text: str, kind: str) -> None:
    command = parse(text)
    assert command.kind == kind
    assert command.campaign in {"Garrafa Térmica", "Garrafa", "Bottle"}


@pytest.mark.parametrize("text", ["pare tudo", "Pare tudo agora!", "stop everything", "pause all campaigns", "parada geral"])
def test_stop_everything(text: str) -> None:
    assert parse(text).kind == "stop_all"


@pytest.mark.parametrize(
    "text",
    [
        "não pause a Garrafa",
        "não aumente o orçamento da Garrafa em 30%",
        "don't pause Thermal Bottle",
        "não pare tudo",
        "o que acontece se eu aumentar o orçamento da Garrafa em 30%?",
        "quanto seria aumentar a Garrafa em 30%?",
        "pause a Garrafa e não mexa no resto",
    ],
)
def test_a_sentence_that_is_no_clear_order_changes_nothing(text: str) -> None:
    assert parse(text).kind not in {"pause", "resume", "budget", "stop_all"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.234,56", "1234.56"), ("1,234.56", "1234.56"), ("30", "30"), ("12,5", "12.5"), ("1.250", "1250"), ("0.5", "0.5")],
)
def test_numbers_of_both_countries(text: str, value: str) -> None:
    assert number(text) == Decimal(value)
