"""LeadKit: what the SDR may do with one lead in one turn.

The kit only collects. Nothing is stored until the turn is committed: `outcome()` is what the job writes and submits to the gate, in
one transaction, so that a run that dies half-way leaves nothing behind and may be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from knowledge.domain import brazil
from knowledge.domain.lead import LeadProfile, Qualification, Temperature
from tools.kits import Tool, as_json

SLOTS = ("name", "company", "cnpj", "need", "volume", "urgency", "city", "state", "email", "phone")
HandoffReason = Literal["asked_for_human", "hot_lead", "erasure_request", "complaint", "refused_twice", "cannot_help"]
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]{2,}")
_MAX = {"name": 120, "company": 160, "need": 500, "volume": 120, "urgency": 120, "city": 80}


class Towns(Protocol):
    """Which towns exist. `states_of` gives the UFs that have a town of this name; empty when none is known."""

    async def states_of(self, city: str) -> Sequence[str]: ...


class QuoteRequest(BaseModel):
    """A request for a formal quote, made by the team (table orcamentos). Never carries a price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: str
    quantity: str | None = None
    note: str | None = None


class LeadOutcome(BaseModel):
    """What one turn learnt and asked for. To be stored by the caller together with the reply."""

    model_config = ConfigDict(frozen=True)

    profile: LeadProfile
    qualification: Qualification | None = None
    quote: QuoteRequest | None = None
    handoff: HandoffReason | None = None
    opt_out: bool = False


class LeadKit:
    """One instance per turn. `profile` is copied; `towns` settles homonyms when it is given."""

    def __init__(self, profile: LeadProfile, towns: Towns | None = None) -> None:
        self._profile = profile.model_copy()
        self._towns = towns
        self._qualification: Qualification | None = None
        self._quote: QuoteRequest | None = None
        self._handoff: HandoffReason | None = None
        self._opt_out = False

    def tools(self) -> list[Tool]:
        """The methods a model is offered."""
        return [self.update_lead, self.record_temperature, self.create_quote_request, self.request_handoff, self.register_opt_out]

    def outcome(self) -> LeadOutcome:
        """Everything collected so far."""
        return LeadOutcome(
            profile=self._profile.model_copy(),
            qualification=self._qualification,
            quote=self._quote,
            handoff=self._handoff,
            opt_out=self._opt_out,
        )

    async def update_lead(
        self,
        name: str | None = None,
        company: str | None = None,
        cnpj: str | None = None,
        need: str | None = None,
        volume: str | None = None,
        urgency: str | None = None,
        city: str | None = None,
        state: str | None = None,
        email: str | None = None,
        phone: str | None = None,
    ) -> str:
        """Store what the lead said about themselves, in their own words. Only pass what the lead really said; never guess.

        Args:
            name: the person's name.
            company: the company's name.
            cnpj: the CNPJ as written, masked or not; it may hold letters. Check digits are verified here.
            need: the equipment or problem.
            volume: how many pieces, or the kitchen's output.
            urgency: when it is needed.
            city: the city, without its state.
            state: the UF, such as SP.
            email: e-mail address.
            phone: phone number with area code.

        Returns:
            JSON with `stored`, `rejected` (slot to reason: tell the lead, ask again), `missing` (still to ask) and `profile`.
        """
        given = {"name": name, "company": company, "cnpj": cnpj, "need": need, "volume": volume, "urgency": urgency, "city": city}
        given |= {"state": state, "email": email, "phone": phone}
        stored: dict[str, str] = {}
        rejected: dict[str, str] = {}
        for slot, raw in given.items():
            if raw is None or not raw.strip():
                continue
            value, reason = _checked(slot, raw.strip())
            if value is None:
                rejected[slot] = reason
            else:
                stored[slot] = value
        if "city" in stored and "state" not in stored:
            moved = self._profile.city is not None and not brazil.same_place(self._profile.city, stored["city"])
            if moved:
                self._profile.state = None  # the old state belonged to the old city
            states = tuple(await self._towns.states_of(stored["city"])) if self._towns else ()
            if len(states) == 1:
                stored["state"] = states[0]
            elif len(states) > 1 and self._profile.state not in states:
                rejected["state"] = f"{stored['city']} exists in {', '.join(states)}: ask which state"
        for slot, value in stored.items():
            setattr(self._profile, slot, value)
        profile = self._profile.model_dump(exclude_none=True)
        return as_json({"stored": stored, "rejected": rejected, "missing": self._profile.missing(), "profile": profile})

    async def record_temperature(self, temperature: Temperature, fit: int, volume: int, urgency: int, intent: int) -> str:
        """Record how promising the lead is. Each part counts 0 to 25: fit, volume, urgency, intent to buy.

        Args:
            temperature: hot, warm or cold.
            fit: how well the need matches what the company sells, 0-25.
            volume: size of the demand, 0-25.
            urgency: how soon it is needed, 0-25.
            intent: how clearly the lead wants to buy, 0-25.
        """
        try:
            recorded = Qualification(temperature=temperature, fit=fit, volume=volume, urgency=urgency, intent=intent)
        except ValidationError as error:
            return as_json({"recorded": False, "rejected": {str(e["loc"][0]): e["msg"] for e in error.errors()}})
        self._qualification = recorded
        return as_json({"recorded": True, "temperature": recorded.temperature, "score": recorded.score})

    async def create_quote_request(self, items: str, quantity: str | None = None, note: str | None = None) -> str:
        """Ask the sales team for a formal quote. Prices come from the team only; promise none.

        Args:
            items: the equipment to quote, in the lead's words.
            quantity: how many.
            note: anything the team must know (deadline, place, conditions the lead asked about).
        """
        if not items.strip():
            return as_json({"created": False, "missing": ["need"]})
        repeated = self._quote is not None
        self._quote = QuoteRequest(items=items.strip()[:500], quantity=quantity, note=note)
        return as_json({"created": True, "repeated": repeated, "missing": self._profile.missing()})

    async def request_handoff(self, reason: HandoffReason) -> str:
        """Hand the conversation to a person of the team. After this the bot only says goodbye to the turn and stops.

        Args:
            reason: asked_for_human, hot_lead, erasure_request, complaint, refused_twice or cannot_help.
        """
        self._handoff = reason
        return as_json({"handoff": True, "reason": reason})

    async def register_opt_out(self) -> str:
        """The lead asked to receive nothing more. Confirm once, ask nothing."""
        self._opt_out = True
        return as_json({"opt_out": True})


def _checked(slot: str, raw: str) -> tuple[str | None, str]:
    """(normalised value, "") or (None, the reason for the model). Reasons never repeat what may be personal data."""
    if slot == "cnpj":
        characters = len(brazil.normalise_cnpj(raw))
        if characters != 14:
            return None, f"a CNPJ has 14 characters, this one has {characters}"
        return brazil.parse_cnpj(raw), "the check digits do not match"
    if slot == "email":
        valid = _EMAIL.fullmatch(raw) is not None and ".." not in raw and len(raw) <= 254
        return (raw.lower() if valid else None), "not an e-mail address"
    if slot == "state":
        return brazil.parse_uf(raw), "not a Brazilian state; use the two letters, such as SP"
    if slot == "phone":
        return brazil.phone_e164(raw), "not a Brazilian phone number with area code"
    return raw[: _MAX[slot]], ""
