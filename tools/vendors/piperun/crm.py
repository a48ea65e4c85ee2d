"""The CRM over PipeRun. Source: PipeRun's OpenAPI of 2026-04-30.

What it cannot do shapes this: persons cannot be searched by phone or e-mail (an unknown filter returns everybody), nothing is
idempotent, and no search can be trusted to compare exactly. So every hit is compared again here, and what we create carries the
action's key: `external_code` on companies, `reference` on deals, a marker line in notes and in a person's observation (the
only free field of a person that can be both written and searched).
"""

from __future__ import annotations

import asyncio
import html
from typing import Any

import httpx

from knowledge.domain.brazil import format_cnpj, normalise_cnpj, parse_cnpj, parse_uf, phone_e164, place_key, same_phone
from knowledge.domain.policy import Operational
from tools.errors import Refused, VendorError
from tools.payload import as_object
from tools.ports import Health
from tools.vendors.piperun.api import VENDOR, PipeRunApi, objects

OPEN, WON, LOST = 0, 1, 3
TEMPERATURES = {"hot": 2, "warm": 3, "cold": 4}
"""PipeRun counts downwards: 1 very hot, 2 hot, 3 warm, 4 cold."""


class PipeRunCrm:
    """One PipeRun account with the pipeline, stage, origin and owner that new deals get. `health` checks that they fit together."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        pipeline_id: str,
        stage_id: str,
        origin_id: str | None = None,
        owner_id: str | None = None,
        timeout: float = 20.0,
        per_second: int = 2,
        limits: Operational | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        # About 100 requests a minute are allowed; a longer burst is answered 429 and waits.
        self._api = PipeRunApi(base_url, token, timeout=timeout, per_second=per_second, limits=limits, transport=transport)
        self._pipeline, self._stage = int(pipeline_id), int(stage_id)
        self._origin = int(origin_id) if origin_id else None
        self._owner = int(owner_id) if owner_id else None
        self._cities: dict[str, dict[str, str]] = {}
        self._cities_lock = asyncio.Lock()

    async def find_city(self, name: str, state: str) -> str | None:
        """PipeRun's own id (not IBGE's) of a town, by name and state; accents and case do not count. None when there is none.

        A state's towns are read once and kept: they do not change, and 232 names exist in more than one state.
        """
        uf = parse_uf(state)
        if uf is None:
            return None
        async with self._cities_lock:
            if uf not in self._cities:
                rows = await self._api.every("cities", uf=uf)
                self._cities[uf] = {place_key(str(row["name"])): str(row["id"]) for row in rows if row.get("uf") == uf}
        return self._cities[uf].get(place_key(name))

    async def upsert_company(
        self, *, name: str, cnpj: str | None, city_id: str | None, key: str, known_id: str | None = None
    ) -> str:
        """Company id: found by CNPJ (both spellings asked for, compared by us), ours, or an earlier attempt's key, else created.

        A known company that has no CNPJ yet gets the one the lead told since, instead of a twin of itself.

        Raises Refused for a CNPJ that is not valid: a wrong one would tie the lead to somebody else's company.
        """
        valid = parse_cnpj(cnpj) if cnpj else None
        if cnpj and valid is None:
            raise Refused(VENDOR, "companies.create", "not a valid CNPJ", "cnpj")
        if valid is not None:
            for spelling in (valid, format_cnpj(valid)):
                for row in await self._api.every("companies", cnpj=spelling):
                    if normalise_cnpj(str(row.get("cnpj") or "")) == valid:
                        return str(row["id"])
        known = await self._api.one("companies", known_id) if known_id else None
        if known is not None:
            gaps: dict[str, Any] = {"cnpj": valid} if valid and not known.get("cnpj") else {}
            gaps |= {"city_id": int(city_id)} if city_id and not known.get("city_id") else {}
            if valid is None or gaps.get("cnpj"):
                if gaps:
                    await self._api.update("companies", str(known["id"]), {"name": str(known.get("name") or name), **gaps})
                return str(known["id"])
        for row in await self._api.every("companies", external_code=key):
            if row.get("external_code") == key:
                return str(row["id"])
        body: dict[str, Any] = {"name": name, "external_code": key}
        body |= {"cnpj": valid} if valid else {}
        body |= {"city_id": int(city_id)} if city_id else {}
        return await self._api.create("companies", body)

    async def upsert_person(
        self, *, known_id: str | None, name: str, phone: str | None, email: str | None, company_id: str | None, key: str
    ) -> str:
        """Person id: ours if it still exists, else an earlier attempt's, else one of the company with this phone or e-mail.

        A known person without company gets it. Contacts of a known person are left as the salespeople keep them.
        """
        row = await self._api.one("persons", known_id) if known_id else None
        if row is None:
            marked = await self._api.every("persons", observation=_marker(key))
            row = next((found for found in marked if _marker(key) in str(found.get("observation"))), None)
        if row is None and company_id and (phone or email):
            for candidate in await self._api.every("persons", company_id=int(company_id)):
                if str(candidate.get("company_id")) == company_id and _is_person(candidate, phone, email):
                    row = candidate
                    break
        if row is not None:
            if company_id and not row.get("company_id"):
                await self._api.update(
                    "persons", str(row["id"]), {"name": str(row.get("name") or name), "company_id": int(company_id)}
                )
            return str(row["id"])
        body: dict[str, Any] = {"name": name, "observation": _marker(key)}
        body |= {"company_id": int(company_id)} if company_id else {}
        body |= {"contactPhones": [{"phone": phone_e164(phone) or phone}]} if phone else {}
        body |= {"contactEmails": [{"email": email}]} if email else {}
        return await self._api.create("persons", body)

    async def open_deal(self, *, title: str, person_id: str, company_id: str | None, temperature: str | None, key: str) -> str:
        """Id of the person's open deal in our pipeline; created in the configured stage when there is none.

        Of several, an earlier attempt's under this key, else the oldest. Raises ValueError for an unknown temperature.
        """
        if temperature is not None and temperature not in TEMPERATURES:
            raise ValueError(f"temperature: one of {', '.join(TEMPERATURES)}")
        rows = await self._api.every("deals", person_id=int(person_id), pipeline_id=self._pipeline, status=OPEN)
        ours = [row for row in rows if self._is_open(row, person_id)]
        if ours:
            best = min(ours, key=lambda row: (row.get("reference") != key, int(row["id"])))
            return str(best["id"])
        body: dict[str, Any] = {
            "title": title, "pipeline_id": self._pipeline, "stage_id": self._stage, "person_id": int(person_id), "reference": key
        }  # fmt: skip
        optional = {
            "company_id": int(company_id) if company_id else None, "origin_id": self._origin, "owner_id": self._owner,
            "temperature": TEMPERATURES[temperature] if temperature else None,
        }  # fmt: skip
        return await self._api.create("deals", body | {name: value for name, value in optional.items() if value is not None})

    async def add_note(self, *, deal_id: str, text: str, key: str) -> str:
        """Id of the deal's note marked with the key; written when there is none. Plain text in, escaped HTML out."""
        marker = _marker(key)
        for row in await self._api.every("notes", deal_id=int(deal_id)):
            if str(row.get("deal_id")) == deal_id and marker in html.unescape(str(row.get("text") or "")):
                return str(row["id"])
        shown = html.escape(f"{text.rstrip()}\n\n{marker}", quote=False).replace("\n", "<br>")
        return await self._api.create("notes", {"deal_id": int(deal_id), "text": shown})

    async def health(self) -> Health:
        """Whether the token works and pipeline, stage, origin and owner exist, are active and belong together."""
        try:
            problems = await self._problems()
        except VendorError as failed:
            return Health(ok=False, detail=failed.detail, remedy="Check PipeRun's address and token.")
        if problems:
            return Health(
                ok=False, detail="; ".join(problems), remedy="Correct the PipeRun ids in agentos.yaml or in PipeRun itself."
            )
        return Health(ok=True, detail=f"pipeline {self._pipeline}, stage {self._stage}")

    async def _problems(self) -> list[str]:
        problems: list[str] = []
        if _by_id(await self._api.every("pipelines"), self._pipeline) is None:
            problems.append(f"pipeline {self._pipeline} does not exist")
        stage = _by_id(await self._api.every("stages", pipeline_id=self._pipeline), self._stage)
        if stage is None or stage.get("pipeline_id") != self._pipeline:
            problems.append(f"stage {self._stage} does not belong to pipeline {self._pipeline}")
        elif stage.get("allow_create_deal") in (False, 0):
            problems.append(f"stage {self._stage} does not allow new deals")
        for resource, number in (("origins", self._origin), ("users", self._owner)):
            if number is None:
                continue
            row = _by_id(await self._api.every(resource), number)
            if row is None:
                problems.append(f"{resource[:-1]} {number} does not exist")
            elif row.get("active") in (False, 0):
                problems.append(f"{resource[:-1]} {number} is inactive")
        return problems

    def _is_open(self, row: dict[str, Any], person_id: str) -> bool:
        mine = str(row.get("person_id")) == person_id and row.get("pipeline_id") == self._pipeline
        return mine and row.get("status") == OPEN and not row.get("deleted")


def _marker(key: str) -> str:
    return f"[ref:{key}]"


def _by_id(rows: list[dict[str, Any]], number: int) -> dict[str, Any] | None:
    return next((row for row in rows if row.get("id") == number), None)


def _is_person(row: dict[str, Any], phone: str | None, email: str | None) -> bool:
    phones = [str(entry.get("phone")) for entry in _contacts(row, "contact_phones", "contactPhones") if entry.get("phone")]
    if phone and any(same_phone(known, phone) for known in phones):
        return True
    emails = [str(entry.get("email")).casefold() for entry in _contacts(row, "contact_emails", "contactEmails")]
    return email is not None and email.casefold() in emails


def _contacts(row: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    return [as_object(entry) for name in names for entry in objects(row.get(name))]
