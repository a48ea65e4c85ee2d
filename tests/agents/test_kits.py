"""Kits: what they accept, what they refuse and tell the model, and that they ask the desk and nobody else."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from agents.offline.copy import fit, variants
from knowledge.domain.lead import LeadProfile
from knowledge.library import shop_products
from tests.agents.desk import FakeDesk
from tools.kits.creative import LIMITS, CopyVariant, CreativeKit, faults
from tools.kits.lead import LeadKit
from tools.kits.media import CampaignRow, MediaKit, resolve
from tools.kits.research import ResearchKit


class Towns:
    async def states_of(self, city: str) -> Sequence[str]:
        return {"Santa Maria": ("RS", "DF", "RN"), "Campinas": ("SP",)}.get(city, ())


def kit(**known: Any) -> LeadKit:
    return LeadKit(LeadProfile(**known), Towns())


@pytest.mark.parametrize("cnpj", ["12.ABC.345/01DE-35", "12abc34501de35", "11.222.333/0001-81", "11222333000181"])
async def test_a_valid_cnpj_is_kept_normalised(cnpj: str) -> None:
    lead = kit()
    answer = json.loads(await lead.update_lead(cnpj=cnpj))
    assert answer["rejected"] == {}
    assert lead.outcome().profile.cnpj in {"12ABC34501DE35", "11222333000181"}


@pytest.mark.parametrize(
    ("slot", "value", "reason"),
    [
        ("cnpj", "11.222.333/0001-82", "check digits"),
        ("cnpj", "1122233300018", "13"),
        ("email", "ana@sol", "e-mail"),
        ("email", "ana sol@x.com", "e-mail"),
        ("state", "XX", "state"),
        ("phone", "12345", "phone"),
    ],
)
async def test_a_wrong_value_is_told_to_the_model_and_not_kept(slot: str, value: str, reason: str) -> None:
    lead = kit()
    answer = json.loads(await lead.update_lead(**{slot: value}))
    assert reason in answer["rejected"][slot]
    assert getattr(lead.outcome().profile, slot) is None


async def test_a_homonym_is_asked_and_a_unique_town_is_settled() -> None:
    lead = kit()
    assert "RS, DF, RN" in json.loads(await lead.update_lead(city="Santa Maria"))["rejected"]["state"]
    await lead.update_lead(state="rio grande do sul")
    assert (lead.outcome().profile.city, lead.outcome().profile.state) == ("Santa Maria", "RS")
    await lead.update_lead(city="Campinas")
    assert lead.outcome().profile.state == "SP"


async def test_a_new_city_drops_the_old_state() -> None:
    lead = LeadKit(LeadProfile(city="Campinas", state="SP"))
    await lead.update_lead(city="Bom Jesus")
    assert lead.outcome().profile.state is None


async def test_the_kit_leaves_the_callers_profile_alone_until_commit() -> None:
    before = LeadProfile(name="Ana")
    lead = LeadKit(before)
    await lead.update_lead(name="Bia")
    await lead.create_quote_request("forno", "2")
    await lead.request_handoff("asked_for_human")
    assert before.name == "Ana"
    outcome = lead.outcome()
    assert (outcome.profile.name, outcome.handoff, outcome.quote and outcome.quote.quantity) == ("Bia", "asked_for_human", "2")


async def test_a_score_out_of_range_is_refused() -> None:
    lead = kit()
    assert json.loads(await lead.record_temperature("hot", 99, 0, 0, 0))["recorded"] is False
    assert lead.outcome().qualification is None


# -- media


async def test_a_raise_is_computed_from_the_desks_budget() -> None:
    desk = FakeDesk()
    answer = json.loads(await MediaKit(desk).propose_budget_change("garrafa", percent="30"))
    assert answer["current"] == {"amount": "100.00", "currency": "BRL"}
    assert str(desk.proposed[0].daily_budget) == "130.00 BRL"
    assert answer["gate"]["status"] == "waiting" and answer["gate"]["action_id"] == "a9"


async def test_an_unreadable_budget_stops_the_proposal() -> None:
    desk = FakeDesk(budget=None)
    answer = json.loads(await MediaKit(desk).propose_budget_change("garrafa", percent="30"))
    assert "could not be read" in answer["error"] and desk.proposed == []


@pytest.mark.parametrize(
    "args", [{}, {"percent": "10", "amount": "5"}, {"percent": "x"}, {"percent": "NaN"}, {"percent": "-100"}, {"amount": "-5"}]
)
async def test_nonsense_never_reaches_the_gate(args: dict[str, str]) -> None:
    desk = FakeDesk()
    assert "error" in json.loads(await MediaKit(desk).propose_budget_change("garrafa", **args))
    assert desk.proposed == []


async def test_an_ambiguous_or_unknown_name_is_asked_back() -> None:
    desk = FakeDesk()
    assert len(json.loads(await MediaKit(desk).propose_pause("faca do chef"))["ambiguous"]) == 2
    assert "not_found" in json.loads(await MediaKit(desk).propose_pause("bicicleta"))
    assert desk.proposed == []
    await MediaKit(desk).propose_pause("faca do chef no tiktok")
    assert desk.proposed[0].platform == "tiktok"


def test_a_kit_that_may_not_propose_offers_reads_only() -> None:
    names = {tool.__name__ for tool in MediaKit(FakeDesk(), may_propose=False).tools()}
    assert names == {"spend_today", "performance", "list_campaigns", "explain", "outcomes"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("c1", {"c1"}),
        ("Garrafa Térmica", {"c1"}),
        ("garrafa termica", {"c1"}),
        ("garafa termica", {"c1"}),
        ("a campanha da faca", {"c2", "c3"}),
        ("faca meta", {"c3"}),
        ("zzz", set()),
        ("", set()),
    ],
)
async def test_names_are_resolved_with_doubt_kept(name: str, found: set[str]) -> None:
    rows: Sequence[CampaignRow] = await FakeDesk().campaigns()
    assert {row.id for row in resolve(name, rows)} == found


OURS = ("Verão 2026", "Forno 20 GN", "Cafeteira US", "Cafeteira Automática Profissional", "Moedor de Café Pro")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Verão 2025", []),
        ("Forno 10 GN", []),
        ("Cafeteira BR", []),
        ("tudo menos a Cafeteira Automática Profissional", []),
        ("Cafeteira Automática Profissional amanhã", []),
        ("Moedor de Café Pro se vender", []),
        ("verao 2026", ["Verão 2026"]),
        ("cafetera automatica", ["Cafeteira Automática Profissional"]),
        ("Cafeteira Automático Profisional", ["Cafeteira Automática Profissional"]),
        ("o moedor", ["Moedor de Café Pro"]),
        ("cafeteira", ["Cafeteira US", "Cafeteira Automática Profissional"]),
    ],
)
def test_no_word_of_a_name_is_left_out(name: str, found: list[str]) -> None:
    rows = [
        CampaignRow(id=f"c-{at}", name=own, platform="meta", status="active", daily_budget=None, ref="")
        for at, own in enumerate(OURS)
    ]
    assert [row.name for row in resolve(name, rows)] == found


# -- creative and research


@pytest.mark.parametrize("platform", list(LIMITS))
@pytest.mark.parametrize("product", shop_products(), ids=lambda p: p.id)
def test_offline_copy_fits_every_platform(product: Any, platform: Any) -> None:
    limit = LIMITS[platform]
    facts = {"name": product.name, "description": product.description, "keywords": product.keywords}
    made = [CopyVariant(**v) for v in variants(facts, limit.headline, limit.text, limit.ctas)]
    assert len(made) >= 2
    assert all(faults(variant, platform) == [] for variant in made)
    assert len({v.headline for v in made}) == len(made)


async def test_faults_come_back_and_nothing_faulty_is_kept() -> None:
    creative = CreativeKit("google", most=1)
    bad = json.loads(await creative.submit_variant("x" * 31, "Grátis só hoje!!", "BUY_NOW"))
    assert len(bad["faults"]) == 3 and creative.variants() == ()
    assert json.loads(await creative.submit_variant("Balança Grão", "Pesa até 10 kg."))["accepted"]
    assert not json.loads(await creative.submit_variant("Outra", "Outra frase."))["accepted"]


def test_fit_cuts_at_words() -> None:
    assert fit("Uma frase. Outra frase comprida.", 12) == "Uma frase."
    assert fit("palavra inteira de novo", 17) == "palavra inteira"
    assert fit("supercalifragilistic", 5) == ""


async def test_products_are_ranked_by_margin() -> None:
    rows = json.loads(await ResearchKit(FakeDesk()).list_products())["rows"]
    margins = [Decimal(row["margin"]) for row in rows]
    assert margins == sorted(margins, reverse=True) and len(rows) == 8
    assert rows[0]["ref"].startswith("product:")
