"""Alerts once per cause, one runner per tick, accounts, quote requests, CRM ids, opt-outs, reports."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal

from knowledge.domain.clock import SettableClock
from knowledge.domain.lead import Identity
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.db.sales import Company
from runtime.db.uow import Database, Transaction
from tests.gate.house import policy_with

ANA = Identity(kind="phone_e164", value="+5511988887777")


async def ana(tx: Transaction, clock: SettableClock) -> str:
    return (await tx.leads.resolve([ANA], at=clock.now())).id


async def test_an_alert_is_open_once_per_cause_and_opens_again_after_it_was_resolved(
    database: Database, clock: SettableClock
) -> None:
    cap = Message(id="alert.cap", params={"share": Decimal("0.8"), "spent": Money(minor=8000, currency="BRL")})

    async def look() -> bool:
        async with database.transaction() as tx:
            return await tx.alerts.open("cap:day", "budget", "warning", cap, at=clock.now()) is not None

    assert sum(await asyncio.gather(*(look() for _ in range(8)))) == 1
    async with database.transaction() as tx:
        (alert,) = await tx.alerts.list()
        assert alert.message.params == {"share": "0.8", "spent": {"minor": 8000, "currency": "BRL"}}
        assert await tx.alerts.acknowledge(alert.id, "user:m", at=clock.now())
        assert not await tx.alerts.acknowledge(alert.id, "user:n", at=clock.now())
        assert not await tx.alerts.acknowledge("no such id", "user:n", at=clock.now())
        assert await tx.alerts.resolve("cap:day", at=clock.now())
        assert not await tx.alerts.resolve("cap:day", at=clock.now())
    assert await look()
    async with database.transaction() as tx:
        assert len(await tx.alerts.list()) == 1
        assert len(await tx.alerts.list(only_open=False)) == 2


async def test_one_runner_per_tick(database: Database, clock: SettableClock) -> None:
    slot = clock.now()

    async def run(worker: int) -> bool:
        async with database.transaction() as tx:
            return await tx.schedule_ticks.claim("insights", slot, f"w{worker}", at=clock.now())

    assert sum(await asyncio.gather(*(run(n) for n in range(8)))) == 1
    async with database.transaction() as tx:
        assert await tx.schedule_ticks.last_finished("insights") is None
        clock.advance(timedelta(minutes=1))
        assert await tx.schedule_ticks.finish("insights", slot, {"rows": 3}, at=clock.now())
        assert await tx.schedule_ticks.last_finished("insights") == clock.now()
        assert await tx.schedule_ticks.last_slots() == {"insights": slot}


async def test_a_session_lives_until_it_expires_or_its_account_is_disabled(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        user = await tx.users.add(" Ana@Example.com ", role="manager", at=clock.now(), password_hash="h")
        assert user is not None and user.email == "ana@example.com"
        assert await tx.users.add("ana@example.com", role="admin", at=clock.now()) is None
        for session in ("a", "b", "c"):
            await tx.sessions.open(session, user.id, csrf="t", at=clock.now(), expires_at=clock.now() + timedelta(hours=8))
        found = await tx.sessions.find("a", at=clock.now())
        assert found is not None and found.user == user
        assert await tx.sessions.find("a", at=clock.now() + timedelta(hours=8)) is None
        assert await tx.sessions.close_all(user.id, except_id_hash="a") == 2
        assert await tx.users.disable(user.id, at=clock.now())
        assert await tx.sessions.find("a", at=clock.now()) is None


async def test_failed_logins_are_counted_from_the_last_success(database: Database, clock: SettableClock) -> None:
    since = clock.now()
    async with database.transaction() as tx:
        for succeeded in (False, False, True, False):
            clock.advance(timedelta(seconds=1))
            await tx.sessions.attempted("ana@example.com", "10.0.0.1", succeeded=succeeded, at=clock.now())
        await tx.sessions.attempted("bob@example.com", "10.0.0.1", succeeded=False, at=clock.now())
        assert await tx.sessions.failures(email="Ana@example.com", address="10.0.0.1", since=since) == (1, 4)
        assert await tx.sessions.failures(email="eve@example.com", address="10.0.0.2", since=since) == (0, 0)


async def test_a_lead_has_one_open_quote_request_and_a_turn_is_heard_once(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        lead = await ana(tx, clock)
        first = await tx.quotes.request(lead, "bomba", at=clock.now(), volume="2", key="turn:1")
        later = await tx.quotes.request(lead, "bomba e filtro", at=clock.now(), urgency="hoje", key="turn:2")
        assert (later.id, later.need, later.volume, later.urgency) == (first.id, "bomba e filtro", "2", "hoje")
        await tx.quotes.run("update orcamentos set status = 'quoted'")
        again = await tx.quotes.request(lead, "bomba e filtro", at=clock.now(), key="turn:2")
        assert (again.id, again.status) == (first.id, "quoted")
        fresh = await tx.quotes.request(lead, "válvula", at=clock.now(), key="turn:3")
        assert [one.id for one in await tx.quotes.of_lead(lead)] in ([fresh.id, first.id], [first.id, fresh.id])
        assert fresh.id != first.id


async def test_a_company_is_one_per_cnpj_also_with_letters(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        lead = await ana(tx, clock)
        unnamed = await tx.companies.ensure("Acme", at=clock.now(), lead_id=lead)
        assert unnamed.cnpj is None

    async def ensure(name: str) -> Company:
        async with database.transaction() as tx:
            return await tx.companies.ensure(name, at=clock.now(), cnpj="12ABC34501DE35", lead_id=lead, city="Bauru", state="SP")

    made = await asyncio.gather(*(ensure(f"Acme {n}") for n in range(6)))
    assert {company.id for company in made} == {unnamed.id}
    assert made[0].cnpj == "12ABC34501DE35"


async def test_the_crms_ids_are_kept_per_lead_and_found_backwards(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        lead = await ana(tx, clock)
        assert await tx.crm_links.get("piperun", "deal", lead) is None
        assert await tx.crm_links.put("piperun", "deal", lead, "9", at=clock.now())
        assert not await tx.crm_links.put("piperun", "deal", lead, "9", at=clock.now())
        assert await tx.crm_links.put("piperun", "note", lead, "n1", at=clock.now(), key="summary:1")
        assert await tx.crm_links.get("piperun", "note", lead) is None
        assert await tx.crm_links.lead_of("piperun", "deal", "9") == lead
        assert await tx.crm_links.lead_of("piperun", "deal", "10") is None


async def test_an_opt_out_is_known_by_hash_and_the_latest_word_on_consent_counts(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        lead = await ana(tx, clock)
        assert await tx.consents.given(lead, "marketing") is None
        await tx.consents.give(lead, purpose="marketing", basis="consent", at=clock.now(), notice_version="1")
        assert await tx.consents.given(lead, "marketing") is True
        clock.advance(timedelta(days=1))
        await tx.consents.withdraw(lead, purpose="marketing", at=clock.now())
        assert await tx.consents.given(lead, "marketing") is False
        assert await tx.suppressions.add([ANA], scope="marketing", reason="opt_out", at=clock.now()) == 1
        assert await tx.suppressions.add([ANA], scope="marketing", reason="opt_out", at=clock.now()) == 0
        assert await tx.suppressions.holds([ANA], scope="marketing")
        assert not await tx.suppressions.holds([ANA], scope="service")
        (row,) = await tx.suppressions.all("select * from suppressions")
        assert ANA.value not in str(dict(row))
        assert await tx.suppressions.lift([ANA], scope="marketing") == 1
        assert not await tx.suppressions.holds([ANA], scope="marketing")


async def test_an_unknown_rate_is_unknown_and_a_known_one_comes_with_its_day(database: Database, clock: SettableClock) -> None:
    async with database.transaction() as tx:
        assert await tx.exchange_rates.on("USD", "BRL", date(2026, 11, 20)) is None
        await tx.exchange_rates.put("USD", "BRL", date(2026, 11, 20), Decimal("5.4321"), source="bcb", at=clock.now())
        assert await tx.exchange_rates.on("USD", "BRL", date(2026, 11, 23)) == (Decimal("5.4321"), date(2026, 11, 20))
        assert await tx.exchange_rates.on("USD", "BRL", date(2026, 11, 19)) is None
        assert await tx.exchange_rates.on("BRL", "USD", date(2026, 11, 23)) is None


async def test_decisions_reports_and_the_blacklist_are_found_again(database: Database, clock: SettableClock) -> None:
    same = "00000000-0000-0000-0000-00000000000a"
    async with database.transaction() as tx:
        for _ in range(2):
            await tx.decisions.add(
                strategy="bayes", document={"v": 1}, history={"x": Decimal("1.50")}, figures=[], policy=policy_with(), dials={}, proposals_hash="h",
                at=clock.now(), decision_id=same,
            )  # fmt: skip
        (decision,) = await tx.decisions.list()
        assert (decision.id, decision.history) == (same, {"x": "1.50"})
        first = await tx.reports.put("daily", date(2026, 11, 22), date(2026, 11, 22), {"n": 1}, at=clock.now())
        assert await tx.reports.put("daily", date(2026, 11, 22), date(2026, 11, 22), {"n": 2}, at=clock.now()) == first
        report = await tx.reports.get(first)
        assert report is not None and report.document == {"n": 2}
        assert await tx.blacklist.add("term", " Milagroso ", reason="policy", by="user:m", at=clock.now())
        assert not await tx.blacklist.add("term", "milagroso", reason="again", by="user:m", at=clock.now())
        assert await tx.blacklist.reason("term", "MILAGROSO") == "policy"
        assert await tx.blacklist.values("product") == frozenset()
