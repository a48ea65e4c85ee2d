"""PipeRun's twin: header token, envelope, cursor paging, Portuguese validation texts.

Kept on purpose: POST /companies answers `data` as a LIST; lost deals have status 3; city ids are not IBGE codes; dates are
local, zoneless; `meta.cursor.count` is null; `page=` is swallowed (page 1 for ever). Different on purpose: an unknown filter is
refused with 422 (the real service ignores it and returns everybody), so that a search of persons by phone or e-mail is caught.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from runtime.sandbox.towns import TOWNS
from runtime.sandbox.twin_state import state_of
from runtime.sandbox.world import Fault, World

TOKEN = "0123456789abcdef0123456789abcdef"  # pragma: allowlist secret
ACCOUNT_ID = 5120
PIPELINE_ID = 810
STAGES = {"Novo lead": 4410, "Qualificado": 4411, "Proposta": 4412, "Pós-venda": 4413}
OTHER_PIPELINE_ID = 811
OTHER_STAGE_ID = 4420
ORIGIN_ID = 92
INACTIVE_ORIGIN_ID = 93
OWNER_ID = 3301
LOCAL = ZoneInfo("America/Sao_Paulo")

_RANGES = ("created_at_start", "created_at_end", "updated_at_start", "updated_at_end")
_FILTERS: dict[str, tuple[str, ...]] = {
    "cities": ("name", "uf"),
    "companies": (
        "city_id",
        "manager_id",
        "segment_id",
        "name",
        "starts_with",
        "cnpj",
        "observation",
        "website",
        "company_status",
        "company_situation",
        "status",
        "external_code",
        "is_client",
        *_RANGES,
    ),
    "persons": (
        "id",
        "company_id",
        "city_id",
        "manager_id",
        "cpf",
        "name",
        "job_title",
        "observation",
        "external_code",
        "status",
        *_RANGES,
    ),
    "deals": (
        "hash",
        "temperature",
        "started_in_stage_id",
        "status",
        "deleted",
        "freezed",
        "lost_reason_id",
        "origin_id",
        "owner_id",
        "company_id",
        "person_id",
        "pipeline_id",
        "stage_id",
        "title",
        *_RANGES,
    ),
    "notes": ("user_id", "deal_id", "company_id", "person_id", "call_id", *_RANGES),
    "pipelines": ("account_id", "name", "visibility", "funnel_type"),
    "stages": ("id", "hash", "pipeline_id", "name", "allow_create_deal", "allow_win_deal"),
    "origins": ("origin_group_id", "name", "hash", "active"),
    "users": ("email", "account_id", "name", "active", "permission"),
    "customFields": ("type", "belongs"),
    "lostReasons": ("name",),
}
_PARTIAL = {"name", "title", "observation", "starts_with", "job_title"}
_NUMBER, _TEXT, _LIST, _FLAG = (int, float), (str,), (list,), (bool, int)
_BODIES: dict[str, dict[str, tuple[type, ...]]] = {
    "companies": {
        "name": _TEXT,
        "company_name": _TEXT,
        "cnpj": _TEXT,
        "city_id": _NUMBER,
        "manager_id": _NUMBER,
        "segment_id": _NUMBER,
        "cnae_id": _NUMBER,
        "website": _TEXT,
        "email_nf": _TEXT,
        "observation": _TEXT,
        "address_postal_code": _TEXT,
        "address": _TEXT,
        "address_number": _TEXT,
        "address_complement": _TEXT,
        "district": _TEXT,
        "country": _TEXT,
        "external_code": _TEXT,
        "status": _FLAG,
        "company_status": _FLAG,
        "company_situation": _NUMBER,
        "is_client": _FLAG,
        "size": _TEXT,
        "contactEmails": _LIST,
        "contactPhones": _LIST,
        "customFields": _LIST,
        "tags": _LIST,
        "ie": _TEXT,
    },
    "persons": {
        "name": _TEXT,
        "city_id": _NUMBER,
        "company_id": _NUMBER,
        "manager_id": _NUMBER,
        "cpf": _TEXT,
        "job_title": _TEXT,
        "observation": _TEXT,
        "website": _TEXT,
        "gender": _TEXT,
        "birth_day": _TEXT,
        "external_code": _TEXT,
        "contactEmails": _LIST,
        "contactPhones": _LIST,
        "custom_fields": _LIST,
        "customFields": _LIST,
        "tags": _LIST,
    },
    "deals": {
        "pipeline_id": _NUMBER,
        "stage_id": _NUMBER,
        "title": _TEXT,
        "reference": _TEXT,
        "temperature": _NUMBER,
        "probability": _NUMBER,
        "owner_id": _NUMBER,
        "person_id": _NUMBER,
        "company_id": _NUMBER,
        "lost_reason_id": _NUMBER,
        "origin_id": _NUMBER,
        "created_at": _TEXT,
        "closed_at": _TEXT,
        "reason_close": _TEXT,
        "status": _NUMBER,
        "deleted": _FLAG,
        "freezed": _FLAG,
        "value": (int, float, str),
        "value_mrr": (int, float, str),
        "probably_closed_at": _TEXT,
        "last_contact_at": _TEXT,
        "custom_fields": _LIST,
        "customFields": _LIST,
        "tags": _LIST,
        "observation": _TEXT,
        "started_in_stage_id": _NUMBER,
        "order": _NUMBER,
    },
    "notes": {
        "text": _TEXT,
        "user_id": _NUMBER,
        "deal_id": _NUMBER,
        "company_id": _NUMBER,
        "person_id": _NUMBER,
        "call_id": _NUMBER,
    },
}
_REQUIRED = {"companies": ("name",), "persons": ("name",), "deals": ("pipeline_id", "stage_id", "title"), "notes": ("text",)}
_ONE = {"companies": "company", "persons": "person", "deals": "deal", "notes": "note"}
_FIRST_ID = {"companies": 71000, "persons": 82000, "deals": 93000, "notes": 104000}
_REFERENCES = {
    "city_id": "cities",
    "company_id": "companies",
    "person_id": "persons",
    "deal_id": "deals",
    "pipeline_id": "pipelines",
    "stage_id": "stages",
    "origin_id": "origins",
    "owner_id": "users",
    "user_id": "users",
    "manager_id": "users",
    "lost_reason_id": "lostReasons",
}


class Piperun:
    """The account's rows by resource, each by id."""

    def __init__(self, world: World) -> None:
        self.world = world
        base = {"account_id": ACCOUNT_ID, "created_at": "2024-02-01 09:00:00", "updated_at": "2024-02-01 09:00:00"}
        self.rows: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in _FILTERS}
        self.rows["cities"] = {t.id: {"id": t.id, "uf": t.uf, "name": t.name} for t in TOWNS}
        for number, name in ((PIPELINE_ID, "Vendas B2B"), (OTHER_PIPELINE_ID, "Assistência técnica")):
            self.rows["pipelines"][number] = {
                "id": number,
                **base,
                "funnel_type": 0,
                "funnel_type_name": "Vendas",
                "name": name,
                "visibility": 0,
            }
        for order, (name, number) in enumerate(STAGES.items()):
            self.rows["stages"][number] = {
                "id": number,
                **base,
                "pipeline_id": PIPELINE_ID,
                "name": name,
                "order": order,
                "allow_create_deal": name != "Pós-venda",
                "allow_win_deal": True,
            }
        self.rows["stages"][OTHER_STAGE_ID] = {
            "id": OTHER_STAGE_ID,
            **base,
            "pipeline_id": OTHER_PIPELINE_ID,
            "name": "Chamado aberto",
            "order": 0,
            "allow_create_deal": True,
            "allow_win_deal": False,
        }
        self.rows["origins"] = {
            ORIGIN_ID: {"id": ORIGIN_ID, "account_id": ACCOUNT_ID, "origin_group_id": 11, "name": "WhatsApp", "active": True},
            INACTIVE_ORIGIN_ID: {
                "id": INACTIVE_ORIGIN_ID,
                "account_id": ACCOUNT_ID,
                "origin_group_id": 11,
                "name": "Feira 2019",
                "active": False,
            },
        }
        self.rows["users"] = {
            OWNER_ID: {"id": OWNER_ID, **base, "name": "Helena Prado", "email": "helena@cozinhaforte.example", "active": 1}
        }
        self.rows["customFields"] = {
            7701: {"id": 7701, "account_id": ACCOUNT_ID, "name": "Volume", "type": 1, "belongs": 1, "values": None},
            7702: {"id": 7702, "account_id": ACCOUNT_ID, "name": "Urgência", "type": 1, "belongs": 1, "values": None},
        }
        self.rows["lostReasons"] = {51: {"id": 51, "account_id": ACCOUNT_ID, "name": "Sem orçamento", "status": True}}

    def local_now(self) -> str:
        """Now as PipeRun writes it: local time, no zone."""
        return self.world.now.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M:%S")

    def win(self, deal_id: int, value: float) -> None:
        """Marks a deal won with its value in BRL (the salesperson persona closes it)."""
        self.rows["deals"][deal_id].update(status=1, value=value, closed_at=self.local_now(), updated_at=self.local_now())

    def book(self) -> dict[str, Any]:
        """Companies, persons, deals and notes as they stand."""
        return {name: [dict(row) for row in self.rows[name].values()] for name in ("companies", "persons", "deals", "notes")}


def of(world: World) -> Piperun:
    """The PipeRun state of a world, made on first use."""
    twin, fresh = state_of(world, Piperun)
    if fresh:
        world.book_sections["crm"] = twin.book
        world.fault_forms["piperun"] = fault_form
    return twin


def fault_form(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """A planned fault in PipeRun's words: status, headers, body."""
    known = {"rate_limit": (429, "Too Many Attempts."), "expired_token": (401, "Unauthorized")}
    status, message = known.get(fault.kind, (500, "Server Error"))
    headers = {"content-type": "application/json", **({"retry-after": "60"} if status == 429 else {})}
    return status, headers, json.dumps({"success": False, "message": message}).encode()


class Stop(Exception):
    """Ends a request with this status and envelope."""

    def __init__(self, status: int, message: str, data: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"success": False, "message": message}
        if data is not None:
            self.body["data"] = data


def router(world: World) -> APIRouter:
    """The twin's routes (/v1/...) over the world's PipeRun state."""
    twin = of(world)
    routes = APIRouter()

    def endpoint(handler: Any, resource: str, success: int = 200) -> Any:
        async def run(request: Request) -> Response:
            try:
                if request.headers.get("token") != TOKEN:
                    raise Stop(401, "Unauthorized" if request.headers.get("token") else "Token não informado.")
                body = await _body(request) if request.method in ("POST", "PUT") else {}
                data, meta = handler(twin, resource, request, body)
            except Stop as stop:
                return JSONResponse(stop.body, stop.status)
            envelope = {"success": True, "message": "Created" if success == 201 else "OK", "data": data}
            return JSONResponse({**envelope, "meta": meta} if meta is not None else envelope, success)

        return run

    for resource in _FILTERS:
        routes.add_api_route(f"/v1/{resource}", endpoint(_index, resource), methods=["GET"], name=f"list {resource}")
        routes.add_api_route(f"/v1/{resource}/{{number}}", endpoint(_show, resource), methods=["GET"], name=f"show {resource}")
    for resource in _BODIES:
        routes.add_api_route(f"/v1/{resource}", endpoint(_create, resource, 201), methods=["POST"], name=f"create {resource}")
        routes.add_api_route(f"/v1/{resource}/{{number}}", endpoint(_update, resource), methods=["PUT"], name=f"update {resource}")
        routes.add_api_route(
            f"/v1/{resource}/{{number}}", endpoint(_delete, resource), methods=["DELETE"], name=f"delete {resource}"
        )
    return routes


async def _body(request: Request) -> dict[str, Any]:
    try:
        data = json.loads(await request.body())
    except ValueError as error:
        raise Stop(422, "Malformed JSON.") from error
    if not isinstance(data, dict):
        raise Stop(422, "Malformed JSON.")
    return data


def _row(twin: Piperun, resource: str, request: Request) -> dict[str, Any]:
    number = request.path_params["number"]
    found = twin.rows[resource].get(int(number)) if number.isdigit() else None
    if found is None:
        raise Stop(404, "Not Found")
    return found


def _index(twin: Piperun, resource: str, request: Request, body: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    query = dict(request.query_params)
    show_text, cursor = query.pop("show", "15"), query.pop("cursor", "")
    if "page" in query:
        twin.world.refuse("piperun", "GET", request.url.path, "page is ignored; page by cursor")
    for swallowed in ("page", "sort", "with"):
        query.pop(swallowed, None)
    for name in query:
        if name not in _FILTERS[resource]:
            twin.world.refuse("piperun", "GET", request.url.path, f"unknown filter {name}")
            raise Stop(422, "Unprocessable Entity", {name: f"O filtro {name} não existe neste recurso."})
    if not show_text.isdigit() or not 1 <= int(show_text) <= 200:
        raise Stop(422, "Unprocessable Entity", {"show": "O campo show deve estar entre 1 e 200."})
    show = int(show_text)
    try:
        after = int(json.loads(base64.urlsafe_b64decode(cursor))["id"]) if cursor else 0
    except (ValueError, KeyError, TypeError) as error:
        raise Stop(422, "Unprocessable Entity", {"cursor": "O campo cursor é inválido."}) from error
    rows = [
        row
        for number, row in sorted(twin.rows[resource].items())
        if number > after and all(_matches(row, k, v) for k, v in query.items())
    ]
    page = rows[:show]
    following = (
        base64.urlsafe_b64encode(json.dumps({"id": page[-1]["id"], "_pointsToNextItems": True}).encode()).decode()
        if len(rows) > show
        else None
    )
    meta = {"cursor": {"current": cursor or None, "prev": None, "next": following, "count": None}}
    return [_shown(twin, resource, row) for row in page], meta


def _matches(row: dict[str, Any], name: str, wanted: str) -> bool:
    if name in _RANGES:
        field = name.rsplit("_", 1)[0]
        return row[field] >= _date(wanted) if name.endswith("start") else row[field] <= _date(wanted) + " 23:59:59"
    if name == "starts_with":
        return _fold(row["name"]).startswith(_fold(wanted))
    value = row.get(name)
    if name in ("cnpj", "cpf"):
        return value is not None and _plain(value) == _plain(wanted)
    if value is None:
        return False
    if isinstance(value, bool) or name in ("deleted", "freezed"):
        return bool(value) == (wanted.lower() in ("1", "true"))
    if name in _PARTIAL:
        return _fold(wanted) in _fold(str(value))
    return str(value).lower() == wanted.lower()


def _date(text: str) -> str:
    match = re.fullmatch(r"(\d{2})-(\d{2})-(\d{4})", text)
    return f"{match[3]}-{match[2]}-{match[1]}" if match else text


def _fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def _plain(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _shown(twin: Piperun, resource: str, row: dict[str, Any]) -> dict[str, Any]:
    shown = dict(row)
    if resource in ("companies", "persons"):
        shown["city"] = twin.rows["cities"].get(row.get("city_id") or 0)
    return shown


def _show(twin: Piperun, resource: str, request: Request, body: dict[str, Any]) -> tuple[Any, None]:
    return _shown(twin, resource, _row(twin, resource, request)), None


def _validate(twin: Piperun, resource: str, body: dict[str, Any], merged: dict[str, Any]) -> None:
    errors: dict[str, str] = {}
    for name in _REQUIRED[resource]:
        if merged.get(name) in (None, ""):
            errors[name] = f"O campo {name} é obrigatório."
    for name, value in body.items():
        if name not in _BODIES[resource]:
            twin.world.refuse("piperun", "POST", f"/piperun/v1/{resource}", f"unknown field {name}")
            errors[name] = f"O campo {name} não existe."
        elif value is not None and not isinstance(value, _BODIES[resource][name]):
            errors[name] = f"O campo {name} possui um tipo inválido."
        elif value is not None and name in _REFERENCES and value not in twin.rows[_REFERENCES[name]]:
            errors[name] = f"O campo {name} selecionado é inválido."
    if resource == "deals" and not errors:
        stage = twin.rows["stages"][merged["stage_id"]]
        if stage["pipeline_id"] != merged["pipeline_id"]:
            errors["stage_id"] = "A etapa informada não pertence ao funil."
        elif "id" not in merged and not stage["allow_create_deal"]:
            errors["stage_id"] = "A etapa informada não permite criar oportunidades."
        if body.get("status") is not None and body["status"] not in (0, 1, 3):
            errors["status"] = "O campo status deve ser 0, 1 ou 3."
        if body.get("temperature") is not None and body["temperature"] not in (1, 2, 3, 4):
            errors["temperature"] = "O campo temperature deve estar entre 1 e 4."
        if body.get("origin_id") is not None and not twin.rows["origins"][body["origin_id"]]["active"]:
            errors["origin_id"] = "A origem informada está inativa."
    if resource == "companies" and body.get("cnpj") and not re.fullmatch(r"[0-9A-Z]{12}\d{2}", _plain(body["cnpj"])):
        errors["cnpj"] = "O campo cnpj possui um formato inválido."
    if errors:
        raise Stop(422, "Unprocessable Entity", errors)


def _stored(twin: Piperun, resource: str, number: int, body: dict[str, Any]) -> dict[str, Any]:
    row = dict(body)
    for given, kept, field in (("contactEmails", "contact_emails", "email"), ("contactPhones", "contact_phones", "phone")):
        if given in row:
            values = [v.get(field) if isinstance(v, dict) else v for v in row.pop(given)]
            row[kept] = [
                {"id": twin.world.next_id("piperun_contact", 500), f"{_ONE[resource]}_id": number, field: v, "is_main": int(i == 0)}
                for i, v in enumerate(values)
            ]
    if "customFields" in row:
        row["custom_fields"] = row.pop("customFields")
    return row


def _create(twin: Piperun, resource: str, request: Request, body: dict[str, Any]) -> tuple[Any, None]:
    _validate(twin, resource, body, body)
    number = twin.world.next_id(f"piperun_{resource}", _FIRST_ID[resource])
    now = twin.local_now()
    row: dict[str, Any] = {
        name: None for name in _BODIES[resource] if name not in ("contactEmails", "contactPhones", "customFields")
    }
    row.update(
        id=number,
        account_id=ACCOUNT_ID,
        hash=f"{twin.world.rng('piperun', resource, number).getrandbits(128):032x}",
        created_at=now,
        updated_at=now,
    )
    if resource == "deals":
        row.update(
            status=0, deleted=0, freezed=0, value=0, owner_id=OWNER_ID, started_in_stage_id=body["stage_id"], stage_changed_at=now
        )
    elif resource == "notes":
        row.update(user_id=OWNER_ID, user_name="Helena Prado")
    else:
        row.update(status=1, contact_emails=[], contact_phones=[], custom_fields=[])
    row.update(_stored(twin, resource, number, body))
    row["created_at"] = now
    twin.rows[resource][number] = row
    twin.world.record(
        "piperun", f"{_ONE[resource]}.create", str(number), key=row.get("external_code") or row.get("reference"), **_detail(row)
    )
    shown = _shown(twin, resource, row)
    return ([shown] if resource == "companies" else shown), None


def _detail(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: row[name]
        for name in ("name", "title", "cnpj", "deal_id", "company_id", "person_id", "text")
        if row.get(name) is not None
    }


def _update(twin: Piperun, resource: str, request: Request, body: dict[str, Any]) -> tuple[Any, None]:
    row = _row(twin, resource, request)
    _validate(twin, resource, body, {**row, **body})
    row.update(_stored(twin, resource, row["id"], body))
    row["updated_at"] = twin.local_now()
    twin.world.record("piperun", f"{_ONE[resource]}.update", str(row["id"]), **_detail(row))
    return _shown(twin, resource, row), None


def _delete(twin: Piperun, resource: str, request: Request, body: dict[str, Any]) -> tuple[Any, None]:
    row = _row(twin, resource, request)
    if resource == "deals":
        row["deleted"] = 1
    else:
        del twin.rows[resource][row["id"]]
    twin.world.record("piperun", f"{_ONE[resource]}.delete", str(row["id"]))
    return {"id": row["id"]}, None
