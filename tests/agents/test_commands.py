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
    ("ROAS da Garrafa este mês", "performance", "Garrafa", "pt-BR"),
    ("how is the Bottle doing this week?", "performance", "Bottle", "en"),
    ("como está a Festa do Mês?", "performance", "Festa do Mês", "pt-BR"),
    ("como está a campanha Garrafa?", "performance", "Garrafa", "pt-BR"),
    ("how is the ROAS?", "performance", None, "en"),
    ("quais aprovações estão pendentes?", "approvals", None, "pt-BR"),
    ("which approvals are pending?", "approvals", None, "en"),
    ("o que espera por mim?", "approvals", None, "pt-BR"),
    ("o que preciso decidir?", "approvals", None, "pt-BR"),
    ("what waits for me?", "approvals", None, "en"),
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


STOPS = [
    "pare tudo", "Pare tudo agora!", "stop everything", "pause all campaigns", "parada geral", "para tudo", "parem tudo", "pare todos os gastos",
    "pare todas as campanhas", "pare de gastar", "emergência, pare tudo", "Emergência! Pare tudo!", "URGENTE: pare tudo agora mesmo",
    "pare tudo, por favor", "stop all spending", "stop spending", "stop all the ads", "emergency: stop everything now", "halt everything right now",
]  # fmt: skip


@pytest.mark.parametrize("text", STOPS)
def test_stop_everything(text: str) -> None:
    assert parse(text).kind == "stop_all"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pare tudo porque estou testando", "estou testando"),
        ("pare tudo: vazamento", "vazamento"),
        ("Pare tudo! Vazou o preço.", "Vazou o preço"),
        ("pare tudo agora, pois vazou", "vazou"),
        ("pare todos os gastos já que o caixa acabou", "o caixa acabou"),
        ("emergência, pare tudo porque vazou", "vazou"),
        ("pare tudo por causa do vazamento", "vazamento"),
        ("stop everything because stock is out", "stock is out"),
        ("stop all spending: a leak", "a leak"),
        ("stop everything now, as we are out of stock", "we are out of stock"),
        ("kill switch due to a leak", "a leak"),
    ],
)
def test_stop_everything_keeps_its_reason(text: str, reason: str) -> None:
    command = parse(text)
    assert (command.kind, command.reason) == ("stop_all", reason)


@pytest.mark.parametrize(
    "text",
    [
        "pare tudo menos a Pia", "pare tudo, menos a Pia", "pare tudo: menos a Pia", "pare tudo se o ROAS cair", "pare tudo, mas só amanhã",
        "stop everything but Sink", "stop everything, except Sink", "stop everything, not now", 'o lead escreveu: "pare tudo"',
        "o lead disse: pare tudo", "por que você parou tudo?", "why did you stop everything?",
    ],
)  # fmt: skip
def test_what_stops_only_some_or_is_only_told_is_no_stop(text: str) -> None:
    assert parse(text).kind not in {"stop_all", "stop_part"}


@pytest.mark.parametrize(
    ("text", "kind", "campaign"),
    [
        ("pause a Balança porque o estoque acabou", "pause", "Balança"),
        ("pause a Balança: o estoque acabou", "pause", "Balança"),
        ("pausa a Balança, já que não vende", "pause", "Balança"),
        ("pause Sink because stock is out", "pause", "Sink"),
        ("please turn off Sink since it does not sell", "pause", "Sink"),
        ("retome a Balança pois o estoque voltou", "resume", "Balança"),
        ("resume Sink as the stock is back", "resume", "Sink"),
        ("aumente o orçamento da Balança em 30% porque não para de vender", "budget", "Balança"),
        ("reduza a Balança para R$ 50 por dia: vende pouco", "budget", "Balança"),
        ("raise Sink to 150 because it sells", "budget", "Sink"),
        ("por que pausou a Balança?", "explain", "Balança"),
        ("porque você pausou a Balança?", "explain", "Balança"),
        ("e por que pausou a Balança?", "explain", "Balança"),
        ("me diga por que você pausou a Balança", "explain", "Balança"),
        ("why did you pause Sink?", "explain", "Sink"),
        ("please tell me why you paused Sink", "explain", "Sink"),
        ("pause a Promo: Verão", "pause", "Promo: Verão"),  # the rest of a name, not a reason
        ("pause 'Sold because loved'", "pause", "Sold because loved"),
    ],
)
def test_a_reason_is_no_part_of_a_name_and_no_question(text: str, kind: str, campaign: str) -> None:
    command = parse(text)
    assert (command.kind, command.campaign) == (kind, campaign)


@pytest.mark.parametrize("text", ["Pausa da Pia: por quê?", "pausaram a Pia por quê?", "you paused Sink, why?", "por quê?", "why?"])
def test_a_why_at_the_end_is_a_question(text: str) -> None:
    assert parse(text).kind == "explain"


@pytest.mark.parametrize(
    ("text", "campaign", "amount"),
    [
        ("aumente a Pia para 5k", "Pia", "5000"),
        ("aumente o orçamento da Pia para 5 mil", "Pia", "5000"),
        ("aumente a Pia para R$ 1,5 mil por dia", "Pia", "1500"),
        ("raise Sink to 1,250.50 a day", "Sink", "1250.50"),
        ("aumente a Linha de 3 litros para 200", "Linha de 3 litros", "200"),
        ("suba a Pia para US$ 60", "Pia", "60"),
    ],
)
def test_an_amount_is_read_to_its_end(text: str, campaign: str, amount: str) -> None:
    command = parse(text)
    assert (command.kind, command.campaign, command.amount) == ("budget", campaign, Decimal(amount))
    assert command.way == "up" and command.by is False


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("raise Pia to 1e5", "1e5"),
        ("aumente a Pia para 50 a 60", "50 a 60"),
        ("aumente a Pia para R$ 200 por semana", "R$ 200 por semana"),
        ("raise Pia by 30% until Friday", "30% until Friday"),
        ("aumente a Pia em -5", "-5"),
        ("mude a Pia para 0x10", "0x10"),
        ("aumente a Pia para 5 milhões", "5 milhões"),
    ],
)
def test_an_amount_with_something_left_over_is_none(text: str, given: str) -> None:
    command = parse(text)
    assert (command.kind, command.given, command.amount, command.percent) == ("amount", given, None, None)


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


NAME = "Cafeteira Automática Profissional"
ACTS = {"pause", "resume", "budget", "stop_all", "stop_part"}


@pytest.mark.parametrize(
    "text",
    [
        f"pause tudo menos a {NAME}", f"pause a {NAME} se o ROAS cair amanhã", f"retome a {NAME} amanhã", f"retome a {NAME} segunda-feira",
        f"retome a {NAME} sexta", f"resume {NAME} on Monday", f"pare de pausar a {NAME}", f"stop raising {NAME}",
        f"aumente em 5% o orçamento do {NAME} se vender", f"aumente o orçamento da {NAME} se vender em 5%", f"pause {NAME} unless it sells",
        f"pause a {NAME} porque não vende, não, espera",
    ],
)  # fmt: skip
def test_a_condition_an_exception_a_day_or_a_denial_is_no_plain_order(text: str) -> None:
    assert parse(text).kind == "doubt"


@pytest.mark.parametrize(
    "text", ["pause 'Sold if loved'", "pause a Black Friday", "pause Cutting Board", "pause a Linha Até 50% off"]
)
def test_a_name_may_have_such_words(text: str) -> None:
    assert parse(text).kind == "pause"


@pytest.mark.parametrize(
    "text",
    ["Reativar a Pia?", "Pausar a Pia?", "Resume Sink?", "Aumentar o orçamento da Pia em 15%?", "Pausar a Pia? 🙂", "Confirmado?", "sim?",
     "confirma?", "confirm?", "yes ?"],
)  # fmt: skip
def test_a_question_is_neither_an_order_nor_a_yes(text: str) -> None:
    assert parse(text).kind not in ACTS | {"confirm"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pode pausar a Pia?", "pause"),
        ("Could you please resume Sink?", "resume"),
        ("você poderia aumentar a Pia em 10%?", "budget"),
    ],
)
def test_a_polite_question_is_an_order(text: str, kind: str) -> None:
    assert parse(text).kind == kind


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("reduza o orçamento do Forno Combinado 10 GN para 90%", "-10"),
        ("reduza o Forno para 80%", "-20"),
        ("aumente o Forno para 110%", "10"),
        ("raise Sink to 120%", "20"),
        ("reduza o Forno em 10%", "-10"),
    ],
)
def test_a_share_after_to_is_where_it_goes(text: str, percent: str) -> None:
    command = parse(text)
    assert (command.kind, command.percent) == ("budget", Decimal(percent))


@pytest.mark.parametrize(
    "text",
    ["aumente a Pia para 90%", "raise Sink to 30%", "reduza a Pia para 110%", "reduza a Pia para 100%", "mude a Pia para 30%"],
)
def test_a_share_against_its_verb_is_asked_back(text: str) -> None:
    assert parse(text).kind == "amount"
