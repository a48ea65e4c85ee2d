"""PipeRun's twin: the traps of its wire, one test each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from conversation_support import PIPE, Twins, running

from runtime.sandbox import piperun

V1 = "/piperun/v1"


@pytest.fixture
async def twins() -> AsyncIterator[Twins]:
    async with running() as made:
        yield made


async def get(twins: Twins, path: str, **query: Any) -> Any:
    return (await twins.http.get(V1 + path, params=query, headers=PIPE)).json()


async def post(twins: Twins, path: str, **body: Any) -> Any:
    return (await twins.http.post(V1 + path, json=body, headers=PIPE)).json()


async def test_the_token_is_demanded(twins: Twins) -> None:
    assert (await twins.http.get(V1 + "/deals")).status_code == 401
    wrong = await twins.http.get(V1 + "/deals", headers={"token": "f" * 32})
    assert wrong.status_code == 401 and wrong.json()["success"] is False


async def test_pages_by_cursor_and_never_by_page(twins: Twins) -> None:
    first = await get(twins, "/cities", show=50)
    assert first["meta"]["cursor"]["count"] is None
    seen, cursor = [], ""
    for _ in range(20):
        page = await get(twins, "/cities", show=50, cursor=cursor)
        seen += [row["id"] for row in page["data"]]
        cursor = page["meta"]["cursor"]["next"]
        if cursor is None:
            break
    assert cursor is None and len(seen) == len(set(seen)) > 90
    assert (await get(twins, "/cities", show=50, page=2))["data"] == first["data"], "page is legacy: page 1 for ever"
    assert "page is ignored" in twins.world.refusals[-1].reason
    assert (await twins.http.get(V1 + "/cities", params={"show": 201}, headers=PIPE)).status_code == 422


async def test_a_town_needs_its_state_and_its_id_is_not_ibge(twins: Twins) -> None:
    homonyms = (await get(twins, "/cities", name="sao domingos"))["data"]
    assert {row["uf"] for row in homonyms} == {"BA", "SC", "PB", "SE", "GO"}
    (one,) = (await get(twins, "/cities", name="São Domingos", uf="GO"))["data"]
    assert one["id"] < 100_000


async def test_a_company_is_answered_as_a_list_and_found_by_both_spellings(twins: Twins) -> None:
    made = await post(twins, "/companies", name="Dom Aldo", cnpj="12ABC34501DE35")
    assert isinstance(made["data"], list) and made["message"] == "Created"
    for spelling in ("12.ABC.345/01DE-35", "12abc34501de35"):
        (found,) = (await get(twins, "/companies", cnpj=spelling))["data"]
        assert found["id"] == made["data"][0]["id"]
    assert (await get(twins, "/companies", cnpj="12ABC34501DE36"))["data"] == []
    bad = await post(twins, "/companies", name="X", cnpj="123")
    assert bad["data"]["cnpj"].startswith("O campo cnpj")


async def test_persons_cannot_be_searched_by_phone_or_mail(twins: Twins) -> None:
    made = await post(
        twins, "/persons", name="Rute", contactEmails=[{"email": "r@x.example"}], contactPhones=[{"phone": "44999990000"}]
    )
    assert made["data"]["contact_phones"][0]["phone"] == "44999990000"
    for name in ("phone", "email"):
        answer = await twins.http.get(V1 + "/persons", params={name: "x"}, headers=PIPE)
        assert answer.status_code == 422 and name in answer.json()["data"]
    assert [row["id"] for row in (await get(twins, "/persons", name="rut"))["data"]] == [made["data"]["id"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": None}, "title"),
        ({"stage_id": piperun.OTHER_STAGE_ID}, "stage_id"),
        ({"stage_id": piperun.STAGES["Pós-venda"]}, "stage_id"),
        ({"origin_id": piperun.INACTIVE_ORIGIN_ID}, "origin_id"),
        ({"status": 2}, "status"),
        ({"temperature": 5}, "temperature"),
        ({"person_id": 1}, "person_id"),
        ({"email": "r@x.example"}, "email"),
    ],
)
async def test_a_deal_is_checked(twins: Twins, change: dict[str, Any], field: str) -> None:
    good = {"pipeline_id": piperun.PIPELINE_ID, "stage_id": piperun.STAGES["Novo lead"], "title": "Forno"}
    made = await post(twins, "/deals", **good)
    assert made["data"]["status"] == 0 and made["data"]["temperature"] is None
    answer = await twins.http.post(V1 + "/deals", json={**good, **change}, headers=PIPE)
    assert answer.status_code == 422 and list(answer.json()["data"]) == [field]
    assert len(twins.world.writes) == 1


async def test_notes_are_listed_by_deal_and_never_deduplicated(twins: Twins) -> None:
    deal = await post(twins, "/deals", pipeline_id=piperun.PIPELINE_ID, stage_id=piperun.STAGES["Novo lead"], title="Forno")
    for _ in range(2):
        await post(twins, "/notes", deal_id=deal["data"]["id"], text="[ref:1] resumo")
    rows = (await get(twins, "/notes", deal_id=deal["data"]["id"]))["data"]
    assert [row["text"] for row in rows] == ["[ref:1] resumo"] * 2
    assert (await get(twins, "/notes", deal_id=1))["data"] == []
    assert (await post(twins, "/notes", text=""))["data"] == {"text": "O campo text é obrigatório."}


async def test_a_won_deal_shows_its_status_and_times_are_local(twins: Twins) -> None:
    deal = await post(twins, "/deals", pipeline_id=piperun.PIPELINE_ID, stage_id=piperun.STAGES["Novo lead"], title="Forno")
    assert deal["data"]["created_at"] == "2026-11-23 09:00:00"
    path = f"{V1}/deals/{deal['data']['id']}"
    await twins.http.put(path, json={"status": 3, "lost_reason_id": 51}, headers=PIPE)
    assert [row["id"] for row in (await get(twins, "/deals", status=3))["data"]] == [deal["data"]["id"]]
    assert (await twins.http.get(V1 + "/deals/1", headers=PIPE)).json() == {"success": False, "message": "Not Found"}
