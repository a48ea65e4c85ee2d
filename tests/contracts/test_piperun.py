"""PipeRun over real HTTP against the twin: no duplicates, no wrong links, whatever the network does."""

from __future__ import annotations

import html
from typing import Any

import pytest
from vendor_support import Recorder, contract, departures, permitted

from runtime.sandbox import piperun
from runtime.sandbox.towns import TOWNS
from tools.errors import NoPermit, RateLimited, Refused, Unauthorized, UnknownOutcome
from tools.vendors.piperun import PipeRunCrm

CNPJ, ALPHA = "11222333000181", "12ABC34501DE35"
LOST_ANSWERS = pytest.mark.parametrize("fault", ["commit_then_500", "commit_then_drop", "commit_then_html_502"])


def new_crm(sandbox: Any, **options: Any) -> PipeRunCrm:
    chosen: dict[str, Any] = {
        "pipeline_id": str(piperun.PIPELINE_ID), "stage_id": str(piperun.STAGES["Novo lead"]), "origin_id": str(piperun.ORIGIN_ID),
        "owner_id": str(piperun.OWNER_ID), "per_second": 100, "timeout": 2.0, "token": piperun.TOKEN,
    }  # fmt: skip
    return PipeRunCrm(f"{sandbox.url}/piperun", **(chosen | options))


@pytest.fixture
def crm(sandbox: Any) -> PipeRunCrm:
    return new_crm(sandbox)


@pytest.fixture(autouse=True)
def no_surprises(sandbox: Any) -> Any:
    """No unknown filter, no `page=`: the real service swallows them and answers with everybody."""
    yield
    assert sandbox.book()["refusals"] == []


def rows(sandbox: Any, resource: str) -> list[dict[str, Any]]:
    return list(piperun.of(sandbox.app.state.world).rows[resource].values())


async def person(crm: PipeRunCrm, key: str = "p-1", **more: Any) -> str:
    known: dict[str, Any] = {"known_id": None, "name": "Dalva", "phone": None, "email": None, "company_id": None}
    return await crm.upsert_person(**(known | more), key=key)


# ---- towns
async def test_towns_by_name_and_state_whatever_the_spelling(crm: PipeRunCrm) -> None:
    for town in TOWNS:
        assert await crm.find_city(town.name, town.uf) == str(town.id)
    saopaulo = next(town for town in TOWNS if (town.name, town.uf) == ("São Paulo", "SP"))
    assert await crm.find_city("  SAO  paulo", "são paulo") == str(saopaulo.id)
    oeste = next(town for town in TOWNS if town.name.startswith("Santa Bárbara d"))
    assert await crm.find_city("santa barbara d oeste", "sp") == str(oeste.id)


async def test_homonyms_are_told_apart_and_unknown_towns_are_none(crm: PipeRunCrm) -> None:
    names = [town.name for town in TOWNS]
    twins = [town for town in TOWNS if names.count(town.name) > 1]
    assert len(twins) > 10
    assert len({await crm.find_city(town.name, town.uf) for town in twins}) == len(twins)
    assert await crm.find_city("Atlântida Submersa", "SP") is None
    assert await crm.find_city("São Paulo", "XX") is None


async def test_a_state_is_read_once(sandbox: Any, crm: PipeRunCrm) -> None:
    await crm.find_city("Campinas", "SP")
    sandbox.fault("GET .*/cities", "error_500", times=50)
    assert await crm.find_city("Santos", "SP") is not None


# ---- companies
@pytest.mark.parametrize(
    ("kept", "given"), [("11.222.333/0001-81", CNPJ), (CNPJ, "11.222.333/0001-81"), (ALPHA, "12.abc.345/01de-35")]
)
async def test_a_company_is_found_by_cnpj_in_any_spelling(sandbox: Any, crm: PipeRunCrm, kept: str, given: str) -> None:
    with permitted():
        first = await crm.upsert_company(name="Cantina", cnpj=kept, city_id=None, key="c-1")
        piperun.of(sandbox.app.state.world).rows["companies"][int(first)]["cnpj"] = kept
        assert await crm.upsert_company(name="Cantina da Vó", cnpj=given, city_id=None, key="c-2") == first
    assert len(rows(sandbox, "companies")) == 1


async def test_companies_without_cnpj_are_never_merged_by_name(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted():
        one = await crm.upsert_company(name="Cantina", cnpj=None, city_id=None, key="c-1")
        assert one == await crm.upsert_company(name="Cantina", cnpj=None, city_id=None, key="c-1")
        assert one != await crm.upsert_company(name="Cantina", cnpj=None, city_id=None, key="c-2")


async def test_an_invalid_cnpj_is_refused_before_anything_is_written(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted(), pytest.raises(Refused, match="CNPJ") as caught:
        await crm.upsert_company(name="Cantina", cnpj="11222333000182", city_id=None, key="c-1")
    assert caught.value.code == "cnpj"
    assert rows(sandbox, "companies") == []


async def test_a_company_keeps_its_town(sandbox: Any, crm: PipeRunCrm) -> None:
    city = await crm.find_city("Maringá", "PR")
    with permitted():
        await crm.upsert_company(name="Cantina", cnpj=CNPJ, city_id=city, key="c-1")
    assert str(rows(sandbox, "companies")[0]["city_id"]) == city


# ---- persons
async def test_a_person_is_known_by_our_mapping_else_by_company_and_phone(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted():
        company = await crm.upsert_company(name="Cantina", cnpj=CNPJ, city_id=None, key="c-1")
        first = await person(crm, "p-1", phone="+5544991234567", company_id=company)
        assert await person(crm, "p-2", known_id=first, name="Outra") == first
        assert await person(crm, "p-3", phone="(44) 9123-4567", company_id=company) == first
        assert await person(crm, "p-4", phone="+5544988887777", company_id=company) != first
        assert await person(crm, "p-5", phone="+5544991234567") != first, "without company nobody is taken by phone"
        assert await person(crm, "p-6", known_id="999999", phone="+5544991234567", company_id=company) == first


async def test_a_person_is_recognised_by_e_mail_within_the_company(crm: PipeRunCrm) -> None:
    with permitted():
        company = await crm.upsert_company(name="Cantina", cnpj=CNPJ, city_id=None, key="c-1")
        first = await person(crm, "p-1", email="dalva@cantina.example", company_id=company)
        assert await person(crm, "p-2", email="Dalva@Cantina.example", company_id=company) == first


async def test_a_known_person_gets_the_company_it_lacked(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted():
        first = await person(crm)
        company = await crm.upsert_company(name="Cantina", cnpj=CNPJ, city_id=None, key="c-1")
        await person(crm, known_id=first, company_id=company)
    assert str(rows(sandbox, "persons")[0]["company_id"]) == company


# ---- deals
async def deal(crm: PipeRunCrm, person_id: str, key: str = "d-1", temperature: str | None = None) -> str:
    return await crm.open_deal(title="Coifa 2 m", person_id=person_id, company_id=None, temperature=temperature, key=key)


async def test_a_person_has_one_open_deal_in_our_pipeline(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted():
        dalva, other = await person(crm), await person(crm, "p-2", name="Rui")
        first = await deal(crm, dalva)
        assert await deal(crm, dalva, "d-2") == first
        assert await deal(crm, other, "d-3") != first
        for closed in (1, 3):
            piperun.of(sandbox.app.state.world).rows["deals"][int(first)]["status"] = closed
            again = await deal(crm, dalva, f"d-after-{closed}")
            assert again != first
            first = again
        piperun.of(sandbox.app.state.world).rows["deals"][int(first)]["deleted"] = 1
        assert await deal(crm, dalva, "d-after-deletion") != first


@pytest.mark.parametrize(("ours", "theirs"), [("hot", 2), ("warm", 3), ("cold", 4), (None, None)])
async def test_temperature_counts_downwards(sandbox: Any, crm: PipeRunCrm, ours: str | None, theirs: int | None) -> None:
    with permitted():
        await deal(crm, await person(crm), temperature=ours)
    made = rows(sandbox, "deals")[0]
    assert made["temperature"] == theirs
    assert (made["pipeline_id"], made["origin_id"], made["owner_id"]) == (piperun.PIPELINE_ID, piperun.ORIGIN_ID, piperun.OWNER_ID)


async def test_an_unknown_temperature_is_our_own_mistake(crm: PipeRunCrm) -> None:
    with pytest.raises(ValueError, match="temperature"):
        await deal(crm, "1", temperature="boiling")


async def test_a_refusal_names_the_field(sandbox: Any) -> None:
    crm = new_crm(sandbox, stage_id=str(piperun.OTHER_STAGE_ID))
    with permitted():
        dalva = await person(crm)
        with pytest.raises(Refused, match="stage_id: A etapa informada não pertence ao funil") as caught:
            await deal(crm, dalva)
    assert caught.value.code == "stage_id"


# ---- notes
async def test_a_note_is_written_once_and_escaped(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted():
        number = await deal(crm, await person(crm))
        first = await crm.add_note(deal_id=number, text="Volume: <3 peças\nCidade: Não informado", key="n-1")
        assert await crm.add_note(deal_id=number, text="outro texto", key="n-1") == first
        assert await crm.add_note(deal_id=number, text="outro texto", key="n-10") != first
    text = rows(sandbox, "notes")[0]["text"]
    assert "<3" not in text and "<br>Cidade" in text
    assert "Volume: <3 peças" in html.unescape(text) and "[ref:n-1]" in text


async def test_a_note_is_found_behind_a_full_page_of_others(sandbox: Any, crm: PipeRunCrm) -> None:
    with permitted():
        number = await deal(crm, await person(crm))
        twin = piperun.of(sandbox.app.state.world)
        for other in range(1, 251):
            twin.rows["notes"][other] = {"id": other, "deal_id": int(number), "text": f"nota {other}"}
        first = await crm.add_note(deal_id=number, text="resumo", key="n-1")
        assert await crm.add_note(deal_id=number, text="resumo", key="n-1") == first


# ---- what the network does
@LOST_ANSWERS
async def test_lost_answers_never_make_a_second_one(sandbox: Any, crm: PipeRunCrm, fault: str) -> None:
    async def company() -> str:
        return await crm.upsert_company(name="Cantina", cnpj=None, city_id=None, key="c-1")

    async def the_person() -> str:
        return await person(crm, phone="+5544991234567")

    async def the_deal() -> str:
        return await deal(crm, await the_person())

    async def note() -> str:
        return await crm.add_note(deal_id=await the_deal(), text="resumo", key="n-1")

    with permitted():
        for resource, step in (("companies", company), ("persons", the_person), ("deals", the_deal), ("notes", note)):
            sandbox.fault(f"POST .*/{resource}", fault)
            with pytest.raises(UnknownOutcome):
                await step()
            assert await step() == await step()
            assert len(rows(sandbox, resource)) == 1, resource


async def test_reads_are_retried_and_limits_are_told(sandbox: Any, crm: PipeRunCrm) -> None:
    sandbox.fault("GET .*/cities", "html_502")
    assert await crm.find_city("Maringá", "PR") is not None
    sandbox.fault("GET .*/deals", "rate_limit", times=5)
    with pytest.raises(RateLimited) as caught:
        await deal(crm, "1")
    assert caught.value.retry_after > 0


async def test_no_write_outside_the_gate(sandbox: Any, crm: PipeRunCrm) -> None:
    with pytest.raises(NoPermit):
        await person(crm)
    assert rows(sandbox, "persons") == []


async def test_a_wrong_token_is_told_without_being_shown(sandbox: Any) -> None:
    crm = new_crm(sandbox, token="f" * 32)
    with pytest.raises(Unauthorized) as caught:
        await crm.find_city("Maringá", "PR")
    assert "f" * 32 not in str(caught.value)
    assert not (await crm.health()).ok


# ---- start-up check
async def test_a_sound_configuration_is_healthy(crm: PipeRunCrm) -> None:
    health = await crm.health()
    assert health.ok, health.detail


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pipeline_id": "1"}, "pipeline 1 does not exist"),
        ({"stage_id": str(piperun.OTHER_STAGE_ID)}, "does not belong to pipeline"),
        ({"stage_id": str(piperun.STAGES["Pós-venda"])}, "does not allow new deals"),
        ({"origin_id": str(piperun.INACTIVE_ORIGIN_ID)}, "is inactive"),
        ({"owner_id": "1"}, "user 1 does not exist"),
    ],
)
async def test_what_does_not_fit_together_is_found_at_start_up(sandbox: Any, options: dict[str, str], told: str) -> None:
    health = await new_crm(sandbox, **options).health()
    assert not health.ok and told in health.detail and health.remedy


async def test_every_request_is_in_the_vendors_openapi(sandbox: Any) -> None:
    api = contract("piperun.openapi.20260430.json")
    recorder = Recorder()
    crm = new_crm(sandbox, transport=recorder)
    with permitted():
        city = await crm.find_city("Maringá", "PR")
        company = await crm.upsert_company(name="Cantina", cnpj=CNPJ, city_id=city, key="c-1")
        dalva = await person(crm, phone="+5544991234567", email="dalva@cantina.example", company_id=company)
        unattached = await person(crm, "p-2")
        await person(crm, "p-2", known_id=unattached, company_id=company)
        number = await crm.open_deal(title="Coifa", person_id=dalva, company_id=company, temperature="hot", key="d-1")
        await crm.add_note(deal_id=number, text="resumo", key="n-1")
    await crm.health()
    assert {request.method for request in recorder.seen} == {"GET", "POST", "PUT"}
    assert departures(recorder.seen, api, "/piperun/v1") == []


_FILTERS = frozenset(["cnpj", "external_code", "observation", "company_id", "person_id", "pipeline_id", "status", "deal_id", "uf"])


async def test_a_service_that_ignores_filters_links_nobody_wrongly(sandbox: Any) -> None:
    """The real one answers an unknown or broken filter with everybody: whatever comes back is compared again."""
    crm = new_crm(sandbox, transport=Recorder(deaf_to=_FILTERS))
    twin = piperun.of(sandbox.app.state.world)
    with permitted():
        ours = await crm.upsert_company(name="Cantina", cnpj=CNPJ, city_id=None, key="c-1")
        theirs = await crm.upsert_company(name="Padaria", cnpj=ALPHA, city_id=None, key="c-2")
        assert len({ours, theirs, await crm.upsert_company(name="Bar", cnpj=None, city_id=None, key="c-3")}) == 3
        dalva = await person(crm, "p-1", phone="+5544991234567", company_id=ours)
        rui = await person(crm, "p-2", phone="+5544991234567", company_id=theirs)
        assert dalva != rui
        won = await deal(crm, dalva, "d-1")
        twin.rows["deals"][int(won)]["status"] = 1
        elsewhere = await deal(crm, dalva, "d-2")
        twin.rows["deals"][int(elsewhere)]["pipeline_id"] = piperun.OTHER_PIPELINE_ID
        open_deal = await deal(crm, dalva, "d-3")
        assert len({won, elsewhere, open_deal, await deal(crm, rui, "d-4")}) == 4
        note = await crm.add_note(deal_id=won, text="resumo", key="n-1")
        assert await crm.add_note(deal_id=open_deal, text="resumo", key="n-1") != note
    homonym = next(town for town in TOWNS if [other.name for other in TOWNS].count(town.name) > 1)
    assert await crm.find_city(homonym.name, homonym.uf) == str(homonym.id)
