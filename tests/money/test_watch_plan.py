"""The watchdog's pure half: nothing on a normal day, whatever the platforms' mood; every runaway, whatever its shape."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.rates import Rate
from prompts.messages import LOCALES, format_value, render
from runtime.sandbox.adtree import AdBook
from runtime.sandbox.market import Market
from runtime.sandbox.world import World
from tests.gate.house import brl, policy_with
from tools.watchdog import Account, Before, Kind, Watch, Watched, alarms, allowed, counted, share_of_day, uses

ZONE = "America/Sao_Paulo"
MIDNIGHT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # in São Paulo
NOON = MIDNIGHT + timedelta(hours=12)


def seen(spent: str = "0", *, plan: str | None = "40", grown: str = "0", **more: Any) -> Watched:
    values: dict[str, Any] = {
        "campaign_id": "c1", "external_id": "1", "name": "Forno", "status": "active", "delivery": "active",
        "plan": None if plan is None else brl(plan), "spent": brl(spent), "grown": brl(grown),
    }  # fmt: skip
    return Watched(**(values | more))


def account(*campaigns: Watched, platform: Any = "meta", read: bool = True, **more: Any) -> Account:
    return Account(platform, ZONE, read, campaigns, **more)


def watch(*accounts: Account, now: datetime = NOON, **more: Any) -> Watch:
    return Watch(now, accounts, **more)


def before_today(measured: str, *, assumed: str = "0", platform: Any = "meta", campaign: str | None = "c1") -> Before:
    return Before(platform, campaign, brl(measured), brl(assumed))


def kinds(of: Watch, policy: Any = None) -> list[str]:
    return [a.kind for a in alarms(of, policy or policy_with())]


# -- velocity ---------------------------------------------------------------------------------------------------------------


@given(
    budget=st.integers(100, 100_000),
    minute=st.integers(0, 24 * 60 - 1),
    pace=st.floats(0, 1),
    platform=st.sampled_from(["meta", "tiktok", "google", "linkedin"]),
)
def test_no_even_day_within_the_platforms_promise_is_stopped(budget: int, minute: int, pace: float, platform: Any) -> None:
    """However generous the day: as long as spend keeps to the share of it that has gone by."""
    law = policy_with(daily_cap=brl("1000000"), weekly_cap=brl("9000000"))
    most = Decimal(budget) * law.multiplier(platform)
    spent = int(most * Decimal(pace) * minute / (24 * 60))
    one = seen(plan=str(Decimal(budget) / 100), spent=str(Decimal(spent) / 100))
    assert kinds(watch(account(one, platform=platform), now=MIDNIGHT + timedelta(minutes=minute)), law) == []


@given(budget=st.integers(100, 100_000), minute=st.integers(0, 24 * 60 - 1), above=st.integers(1, 10**7))
def test_whatever_passes_the_platforms_promise_is_stopped_at_any_hour(budget: int, minute: int, above: int) -> None:
    law = policy_with(daily_cap=brl("1000000"), weekly_cap=brl("9000000"))
    plan = Money(minor=budget, currency="BRL")
    over = Money(minor=int(Decimal(budget) * Decimal("1.75")) + 1 + above, currency="BRL")
    one = seen(plan=str(plan.amount), spent=str(over.amount))
    (alarm,) = alarms(watch(account(one), now=MIDNIGHT + timedelta(minutes=minute)), law)
    assert (alarm.kind, alarm.severity, alarm.pause) == ("spend_velocity", "critical", (("meta", "c1"),))
    assert alarm.params["spent"] == over and alarm.params["budget"] == plan


@given(minute=st.integers(0, 24 * 60 - 2), budget=st.integers(100, 50_000))
def test_what_is_allowed_never_falls_during_the_day(minute: int, budget: int) -> None:
    one, law = seen(plan=str(Decimal(budget) / 100)), policy_with()
    now = MIDNIGHT + timedelta(minutes=minute)
    earlier, later = (allowed(one, "meta", at, ZONE, law) for at in (now, now + timedelta(minutes=1)))
    assert earlier is not None and later is not None
    assert earlier <= later <= one.plan.times(Decimal("1.75"), "ROUND_CEILING")  # type: ignore[union-attr]


@pytest.mark.parametrize(("spent", "alarm"), [("51.05", []), ("51.06", ["spend_velocity"])])
def test_the_border_at_noon(spent: str, alarm: list[str]) -> None:
    """40 x 1.75 x 1.25 x 14/24 = 51.04 and a part of a cent, rounded up."""
    assert kinds(watch(account(seen(spent)))) == alarm


def test_a_day_with_a_missing_hour_is_shorter() -> None:
    spring = datetime(2026, 3, 29, 10, 0, tzinfo=UTC)  # Berlin: 12:00 after 11 hours, of 23
    assert share_of_day(spring, "Europe/Berlin") == Decimal(13 * 3600) / Decimal(23 * 3600)
    assert share_of_day(spring + timedelta(hours=11), "Europe/Berlin") == 1  # at most the whole day


def test_a_campaign_that_is_stopped_is_not_stopped_again() -> None:
    stopped = {"status": "paused", "delivery": "paused", "paused_at": NOON - timedelta(minutes=15)}
    assert alarms(watch(account(seen("90", **stopped))), policy_with()) == []
    (late,) = alarms(watch(account(seen("90", grown="3", **stopped))), policy_with())  # still growing: told, nothing to pause
    assert (late.kind, late.pause) == ("spend_velocity", ())


def test_what_a_person_let_run_again_counts_from_there() -> None:
    resumed = (NOON - timedelta(hours=1), brl("90"))
    assert kinds(watch(account(seen("95", since=resumed)))) == []
    assert kinds(watch(account(seen("115", since=resumed)))) == ["spend_velocity"]  # 90 + 70 x 1.25 x 3/24 = 100.94


@pytest.mark.parametrize("seed", [3, 7, 11])
def test_a_month_of_the_sandboxs_market_stops_nothing(seed: int) -> None:
    """Moods up to the platforms' ceilings, noise, weekdays: every hour of thirty days."""
    start = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
    world = World(seed, start)
    book = AdBook(world)
    market = Market(world, book)
    law = policy_with(daily_cap=brl("100000"), weekly_cap=brl("700000"))
    running: dict[str, list[Any]] = {}
    for platform, account_id in (("meta", "1000000000000001"), ("tiktok", "7000000000000000001")):
        holder = book.account(platform, account_id)
        assert holder is not None
        for n in range(4):
            made = book.add_campaign(holder, f"Produto {n}", enabled=True, daily_budget=None, data={})
            group = book.add_group(made, "g", enabled=True, daily_budget=4000 + 500 * n, data={}, audience_key="broad")
            ad = book.add_ad(group, "a", enabled=True, text=f"Texto {n}", link="https://x.example", data={})
            ad.review_at, ad.approved = start, True
            running.setdefault(platform, []).append((made, group))
    highest = 0.0
    for hour in range(1, 30 * 24 + 1):
        world.now = start + timedelta(hours=hour)
        market.tick(world.now)
        day: date = market.local(book.account("meta", "1000000000000001"), int(world.now.timestamp()) // 3600 - 1)[0]  # type: ignore[arg-type]
        at = world.now - timedelta(seconds=1)  # the hour that just ended still belongs to its day
        accounts = []
        for platform, campaigns in running.items():
            ones = []
            for made, group in campaigns:
                spent = made.spent_by_day.get(day, 0)
                plan = Money(minor=group.daily_budget, currency="BRL")
                ones.append(seen(campaign_id=made.id, external_id=made.id, name=made.name, spent=str(Decimal(spent) / 100),
                                 plan=str(plan.amount)))  # fmt: skip
                highest = max(highest, spent / group.daily_budget)
            accounts.append(account(*ones, platform=platform))
        assert alarms(watch(*accounts, now=at), law) == []
    assert highest > 1.2, "the market had generous days, or this test shows nothing"


# -- caps -------------------------------------------------------------------------------------------------------------------


def two(spent: str, other: str, **more: Any) -> tuple[Account, ...]:
    big = {"plan": "5000", **more}
    tiktok = {"campaign_id": "c2", "external_id": "2", "name": "Pia"}
    return account(seen(spent, **big)), account(seen(other, **(tiktok | big)), platform="tiktok")


EVENING = MIDNIGHT + timedelta(hours=23)


@pytest.mark.parametrize(("other", "kind"), [("100", []), ("100.01", ["over_cap"])])
def test_over_the_days_cap_everything_that_delivers_stops(other: str, kind: list[str]) -> None:
    found = alarms(watch(*two("200", other), now=EVENING), policy_with())
    assert [a.kind for a in found] == kind
    assert all(a.pause == (("meta", "c1"), ("tiktok", "c2")) for a in found)


@pytest.mark.parametrize(("before", "kind"), [("1400", []), ("1400.01", ["over_week_cap"])])
def test_over_the_weeks_cap_everything_stops(before: str, kind: list[str]) -> None:
    found = alarms(watch(*two("50", "50"), now=EVENING, week=(before_today(before),)), policy_with())
    assert [a.kind for a in found] == kind
    assert all(len(a.pause) == 2 for a in found)


def test_the_workspace_ahead_of_its_cap_stops_before_the_cap_is_reached() -> None:
    found = alarms(watch(*two("120", "100")), policy_with())  # by noon 300 x 1.25 x 14/24 = 218.75
    assert [a.kind for a in found] == ["workspace_velocity"]
    assert found[0].pause == (("meta", "c1"), ("tiktok", "c2"))


@pytest.mark.parametrize(("zone", "kind"), [("America/Los_Angeles", []), ("America/Bahia", ["workspace_velocity"])])
def test_an_account_whose_day_began_at_another_moment_is_not_held_to_our_pace(zone: str, kind: list[str]) -> None:
    """A quarter past our midnight it is evening in Los Angeles: an even day there is far ahead of ours, and no runaway."""
    meta, tiktok = account(seen("80", plan="100")), account(seen("0.40", campaign_id="c2", external_id="2"), platform="tiktok")
    now = MIDNIGHT + timedelta(minutes=15)
    law = policy_with()
    found = watch(Account("meta", zone, True, meta.campaigns), tiktok, now=now)
    assert [k for k in kinds(found, law) if k != "spend_velocity"] == kind
    spent = account(seen("301", plan="5000")).campaigns
    over = watch(Account("meta", zone, True, spent), tiktok, now=now)
    assert "over_cap" in kinds(over, law), "the cap holds all the same"


def test_a_platforms_and_a_campaigns_own_cap() -> None:
    law = policy_with(platform_daily_cap={"tiktok": brl("60")}, campaign_daily_cap=brl("80"))
    found = alarms(watch(*two("90", "70"), now=EVENING), law)
    assert {(a.kind, a.pause) for a in found} == {
        ("over_campaign_cap", (("meta", "c1"),)), ("over_platform_cap", (("tiktok", "c2"),)),
    }  # fmt: skip


def test_a_platforms_and_a_campaigns_own_weekly_cap() -> None:
    law = policy_with(platform_weekly_cap={"tiktok": brl("400")}, campaign_weekly_cap=brl("500"))
    gone = before_today("150", platform="tiktok", campaign=None)  # what is not ours has spent from the same cap
    week = (before_today("430"), before_today("200", platform="tiktok", campaign="c2"), gone)
    assert kinds(watch(*two("70", "50"), now=EVENING, week=week), law) == []  # 500 and 400 exactly
    found = alarms(watch(*two("70.01", "50.01"), now=EVENING, week=week), law)
    assert {(a.kind, a.key, a.pause) for a in found} == {
        ("over_campaign_week_cap", "over_campaign_week:c1:2026-11-23", (("meta", "c1"),)),
        ("over_platform_week_cap", "over_platform_week:tiktok:2026-11-23", (("tiktok", "c2"),)),
    }


def test_days_that_nobody_has_read_count_in_the_week_and_are_said() -> None:
    law = policy_with(platform_weekly_cap={"tiktok": brl("400")})
    week = (before_today("1330"), before_today("200", assumed="70.01", platform="tiktok", campaign="c2"))
    found = alarms(watch(*two("10", "130"), now=EVENING, week=week), law.model_copy())
    assert [(a.kind, a.params["assumed"], a.params["platforms"]) for a in found] == [
        ("over_week_cap_unread", brl("70.01"), ["tiktok"]), ("over_own_cap_unread", brl("70.01"), ["tiktok"]),
    ]  # fmt: skip


def test_every_cap_in_force_is_looked_at_once() -> None:
    """Own caps of platforms and campaigns, a day and a week each; one that is not below the workspace's says nothing of its own."""
    law = policy_with(
        platform_daily_cap={"tiktok": brl("60"), "meta": brl("300")}, platform_weekly_cap={"tiktok": brl("300")},
        campaign_daily_cap=brl("80"), campaign_weekly_cap=brl("400"),
    )  # fmt: skip
    found = uses(watch(*two("10", "10")), law)
    assert [(u.scope, u.span, u.platform, u.campaign_id) for u in found] == [
        ("workspace", "day", None, None), ("workspace", "week", None, None),
        ("platform", "day", "tiktok", None), ("campaign", "day", "meta", "c1"), ("campaign", "day", "tiktok", "c2"),
        ("platform", "week", "tiktok", None), ("campaign", "week", "meta", "c1"), ("campaign", "week", "tiktok", "c2"),
    ]  # fmt: skip
    assert len({u.key for u in found}) == len(found)


def test_an_unread_platform_counts_at_its_worst_and_says_so() -> None:
    meta, tiktok = two("20", "30", plan="60")
    blind = watch(Account("meta", ZONE, False, meta.campaigns), tiktok, now=EVENING)
    count = counted(blind, policy_with())
    assert (count.spent, count.assumed, count.unread) == (brl("135"), brl("85"), ("meta",))  # 60 x 1.75 instead of 20
    assert kinds(blind) == []
    law = policy_with(daily_cap=brl("134.99"))
    (alarm,) = alarms(blind, law)
    assert (alarm.kind, alarm.params["platforms"]) == ("over_cap_unread", ["meta"])
    assert alarm.pause == (("meta", "c1"), ("tiktok", "c2"))


def test_what_is_paused_and_unread_counts_what_it_spent() -> None:
    stopped = seen("20", plan="60", status="paused", delivery="paused")
    assert counted(watch(account(stopped, read=False)), policy_with()).assumed == brl("0")


# -- outside the plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", ["active", "in_review", "with_issues"])
def test_what_our_books_call_paused_must_not_deliver(delivery: Any) -> None:
    (alarm,) = alarms(watch(account(seen(status="paused", delivery=delivery))), policy_with())
    assert (alarm.kind, alarm.pause) == ("outside_plan", (("meta", "c1"),))


def test_nobody_is_called_while_an_action_is_under_way() -> None:
    assert kinds(watch(account(seen(status="paused", delivery="active", busy=True)))) == []


@pytest.mark.parametrize(("minutes", "kind"), [(180, []), (181, ["outside_plan"])])
def test_spend_long_after_a_pause_is_no_late_report(minutes: int, kind: list[str]) -> None:
    one = seen("5", grown="1", status="paused", delivery="paused", paused_at=NOON - timedelta(minutes=minutes))
    assert kinds(watch(account(one))) == kind


def test_somebody_elses_campaign_is_told_and_left_alone() -> None:
    stranger = seen("500", campaign_id=None, status=None, plan=None)
    found = alarms(watch(account(stranger)), policy_with(daily_cap=brl("900"), weekly_cap=brl("9000")))
    assert [(a.kind, a.severity, a.pause) for a in found if a.kind == "unplanned_spend"] == [("unplanned_spend", "warning", ())]
    assert kinds(watch(account(seen(campaign_id=None, status=None), busy=True))) == []  # perhaps our own publication


# -- currencies ---------------------------------------------------------------------------------------------------------------


def dollars(spent: str, rates: tuple[Rate, ...] = ()) -> Watch:
    one = seen(plan=None).__class__(
        campaign_id="c1", external_id="1", name="Forno", status="active", delivery="active", plan=Money.of("1000", "USD"),
        spent=Money.of(spent, "USD"), grown=Money.zero("USD"),
    )  # fmt: skip
    return watch(account(one), now=EVENING, rates=rates)


def test_dollars_count_under_a_cap_in_reais() -> None:
    rate = (Rate(day=date(2026, 11, 23), base="USD", quote="BRL", rate=Decimal("5.63")),)
    assert kinds(dollars("53.28", rate)) == []  # 299.97
    assert kinds(dollars("53.29", rate)) == ["over_cap"]


def test_without_a_rate_somebody_is_told_which_and_a_runaway_is_stopped_all_the_same() -> None:
    (alarm,) = alarms(dollars("53.29"), policy_with())
    assert (alarm.kind, alarm.params["base"], alarm.params["quote"]) == ("rate_missing", "USD", "BRL")
    assert kinds(dollars("1750.01")) == ["spend_velocity", "rate_missing"]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 30_000), st.booleans()), max_size=5))
def test_the_count_never_falls_below_what_was_measured(spends: list[tuple[int, bool]]) -> None:
    campaigns = [
        seen(campaign_id=f"c{n}", external_id=str(n), spent=str(Decimal(minor) / 100), status="active" if runs else "paused")
        for n, (minor, runs) in enumerate(spends)
    ]
    for read in (True, False):
        count = counted(watch(account(*campaigns, read=read)), policy_with())
        assert count.spent.minor >= sum(minor for minor, _ in spends)
        assert count.assumed.minor == 0 or not read


# -- words ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_every_alarm_says_itself_with_its_numbers(locale: str) -> None:
    rate = (Rate(day=date(2026, 11, 23), base="USD", quote="BRL", rate=Decimal("5.63")),)
    stranger = seen("5", campaign_id=None, status=None)
    law = policy_with(
        platform_daily_cap={"tiktok": brl("60")}, campaign_daily_cap=brl("80"), daily_cap=brl("150"),
        platform_weekly_cap={"tiktok": brl("65")}, campaign_weekly_cap=brl("100"),
    )  # fmt: skip
    meta, tiktok = two("90", "70", plan="60")
    watches = [
        watch(*two("90", "70"), now=EVENING, week=(before_today("1450"),)),
        watch(Account("meta", ZONE, False, meta.campaigns), tiktok, now=EVENING, week=(before_today("1450"),)),
        watch(account(seen("60"), stranger, seen("1", campaign_id="c3", status="paused")), now=NOON),
        watch(*two("70", "50")),
        dollars("53.29"),
        dollars("53.29", rate),
    ]
    found = [alarm for each in watches for alarm in alarms(each, law)]
    assert {alarm.kind for alarm in found} == set(get_args(Kind))
    for alarm in found:
        words = render(Message(id=f"alert.{alarm.kind}", params=alarm.params), locale)
        assert "{" not in words and len(words) > 40
        if "spent" in alarm.params:
            assert format_value(alarm.params["spent"], locale) in words
