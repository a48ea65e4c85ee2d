"""The salespeople's summary: every slot in its place, gaps named, nothing invented."""

from datetime import UTC, datetime

from agents.offline.scoring import qualify
from agents.offline.summary import UNKNOWN, lead_summary
from knowledge.domain.conversation import Turn
from knowledge.domain.lead import LeadProfile
from tools.kits.lead import QuoteRequest

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_gaps_are_named() -> None:
    text = lead_summary(LeadProfile(), None)
    assert text.count(UNKNOWN) == 12
    assert "None" not in text


def test_what_is_known_is_written_out() -> None:
    profile = LeadProfile(
        name="Ana", cnpj="12ABC34501DE35", need="forno", volume="3 fornos", urgency="urgente", city="Santa Maria", state="RS"
    )
    history = (Turn(author="lead", text="preciso\npra ontem", at=AT), Turn(author="bot", text="ok", at=AT))
    text = lead_summary(
        profile, qualify(profile, {"buy"}), handoff="hot_lead", quote=QuoteRequest(items="forno", quantity="3"), history=history
    )
    assert "CNPJ: 12.ABC.345/01DE-35" in text
    assert "Cidade/UF: Santa Maria/RS" in text
    assert "Temperatura: Quente" in text
    assert "Pedido de proposta: forno; quantidade 3" in text
    assert "Motivo do repasse: pronto para receber proposta" in text
    assert "- preciso pra ontem" in text and "- ok" not in text


def test_temperature_by_rule() -> None:
    hot = qualify(
        LeadProfile(name="A", company="B", cnpj="11222333000181", need="forno", volume="5 fornos", urgency="urgente"), {"buy"}
    )
    assert hot.temperature == "hot" and hot.score >= 70
    assert qualify(LeadProfile(need="forno", urgency="ano que vem"), {"price", "buy"}).temperature == "cold"
    assert (
        qualify(
            LeadProfile(urgency="urgente", volume="20 fornos", company="B", cnpj="11222333000181"), {"buy", "price"}
        ).temperature
        != "hot"
    )
    assert qualify(LeadProfile()).score == 0
