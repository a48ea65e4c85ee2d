"""The structured summary of a lead for the salespeople: CRM note and desk note. Pure; pt-BR, with "Não informado" for every gap."""

from __future__ import annotations

from collections.abc import Sequence

from knowledge.domain.brazil import format_cnpj
from knowledge.domain.conversation import Turn
from knowledge.domain.lead import LeadProfile, Qualification
from tools.kits.lead import HandoffReason, QuoteRequest

UNKNOWN = "Não informado"
_TEMPERATURE = {"hot": "Quente", "warm": "Morno", "cold": "Frio"}
_REASON: dict[HandoffReason, str] = {
    "asked_for_human": "pediu para falar com uma pessoa",
    "hot_lead": "pronto para receber proposta",
    "erasure_request": "pediu a exclusão dos seus dados",
    "complaint": "tem uma reclamação",
    "refused_twice": "a resposta automática foi recusada duas vezes pelas regras",
    "cannot_help": "o atendimento automático não soube ajudar",
}


def lead_summary(
    profile: LeadProfile,
    qualification: Qualification | None,
    *,
    handoff: HandoffReason | None = None,
    quote: QuoteRequest | None = None,
    history: Sequence[Turn] = (),
    last: int = 3,
) -> str:
    """The note's text: every slot in a fixed order, the score's parts, the request, and the lead's last words."""
    place = "/".join(part for part in (profile.city, profile.state) if part)
    rows = [
        ("Nome", profile.name),
        ("Empresa", profile.company),
        ("CNPJ", format_cnpj(profile.cnpj) if profile.cnpj else None),
        ("Necessidade", profile.need),
        ("Volume", profile.volume),
        ("Urgência", profile.urgency),
        ("Cidade/UF", place),
        ("E-mail", profile.email),
        ("Telefone", profile.phone),
        ("Temperatura", _temperature(qualification)),
        ("Pedido de proposta", _quote(quote)),
        ("Motivo do repasse", _REASON[handoff] if handoff else None),
    ]
    lines = ["Resumo do atendimento automático", *(f"{label}: {value or UNKNOWN}" for label, value in rows)]
    said = [turn.text for turn in history if turn.author == "lead"][-last:]
    if said:
        lines += ["Últimas mensagens do cliente:", *(f"- {' '.join(text.split())[:300]}" for text in said)]
    return "\n".join(lines)


def _temperature(qualification: Qualification | None) -> str | None:
    if qualification is None:
        return None
    q = qualification
    parts = f"aderência {q.fit}, volume {q.volume}, urgência {q.urgency}, intenção {q.intent}"
    return f"{_TEMPERATURE[q.temperature]} ({q.score}/100: {parts})"


def _quote(quote: QuoteRequest | None) -> str | None:
    if quote is None:
        return None
    return "; ".join(part for part in (quote.items, f"quantidade {quote.quantity}" if quote.quantity else None, quote.note) if part)
