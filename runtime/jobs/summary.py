"""What a salesperson reads when they take a lead over: the record, in the template's order, gaps said as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knowledge.domain import brazil
from knowledge.domain.lead import LeadProfile, Qualification
from knowledge.domain.message import Message

if TYPE_CHECKING:
    from runtime.db.leads import LeadRecord
    from runtime.wiring import House

FIELDS = ("name", "company", "cnpj", "need", "volume", "urgency", "city", "email", "phone")


def lines(profile: LeadProfile, found: Qualification | None) -> list[Message]:
    """One message per line of the summary: `summary.<field>` with its value, or None where nothing was said."""
    out = [Message(id="summary.title")]
    for field in FIELDS:
        value = getattr(profile, field)
        if field == "cnpj" and value:
            value = brazil.format_cnpj(value)
        if field == "city" and value and profile.state:
            value = f"{value}/{profile.state}"
        out.append(Message(id=f"summary.{field}", params={"value": value}))
    if found is not None:
        out.append(Message(id="summary.temperature", params={"temperature": found.temperature, "score": found.score}))
    return out


def text_of(house: House, lead: LeadRecord) -> str:
    """The summary as text in the house's language; a missing value reads "Não informado"."""
    locale = house.settings.operator.locale
    missing = house.render(Message(id="summary.not_told"), locale)
    return "\n".join(
        house.render(m.model_copy(update={"params": {k: v if v is not None else missing for k, v in m.params.items()}}), locale)
        for m in lines(lead.profile, lead.qualification)
    )


async def of_conversation(house: House, conversation_id: str) -> str:
    """The summary of the conversation's lead."""
    async with house.db.transaction() as tx:
        conversation = await tx.conversations.get(conversation_id)
        lead = await tx.leads.get(conversation.lead_id) if conversation else None
    if lead is None:
        raise LookupError(f"conversation {conversation_id} has no lead")
    return text_of(house, lead)
