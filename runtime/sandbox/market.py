"""The market behind the ad twins: hour by hour it turns budgets into spend, impressions, clicks and, later, orders.

Every draw hangs on (seed, platform, names, hour), never on ids or request order: the same changes at the same simulated moments
give the same figures. All money is in integer minor units of the account's currency.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import math
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from runtime.sandbox.adtree import Account, Ad, AdBook, Budgeted, Campaign, Group, Order
from runtime.sandbox.money import minor_from_brl
from runtime.sandbox.world import World

HOUR = timedelta(hours=1)

DAILY_OVERSPEND = {"meta": 1.75, "tiktok": 1.10}
"""Most that one day may cost, as a multiple of the daily budget. Meta: its own help pages; TikTok: our modest guess."""

BUDGET_SHARING = 1.2
"""With ad-set budget sharing, Meta may lend an ad set a fifth more before the daily flexibility applies."""

HOUR_WEIGHT = tuple(
    w / 100.0
    for w in (
        2.2,
        1.3,
        0.8,
        0.6,
        0.6,
        0.9,
        1.8,
        3.0,
        3.9,
        4.4,
        4.8,
        5.3,
        6.1,
        5.7,
        4.9,
        4.7,
        4.8,
        5.2,
        5.9,
        6.9,
        7.7,
        7.9,
        6.6,
        4.0,
    )
)
"""Share of a day's attention in each local hour."""

WEEKDAY_DEMAND = (0.97, 0.96, 0.98, 1.0, 1.06, 1.04, 0.99)
"""Willingness to buy, Monday first."""

ATTRIBUTION_WINDOW = timedelta(days=7)


@dataclass
class Truth:
    """What really lies behind a product on a platform. Hidden: no twin ever shows it to a client.

    cpm: minor units per thousand impressions at a small budget. ctr, cvr: probabilities. aov: minor units.
    appetite: minor units a day at which the cost of attention has grown by 41 %. fatigue: impressions per ad after which clicks
    have fallen to 37 % of what can fall. delay_hours: mean of the slow part of the click-to-order time.
    inflation: purchases the platform claims without cause, per true one. tracked: share of true orders it sees.
    """

    cpm: float
    ctr: float
    cvr: float
    aov: float
    appetite: float
    fatigue: float
    delay_hours: float
    inflation: float
    tracked: float
    quality: str

    @property
    def roas(self) -> float:
        """True revenue per unit of spend at a small budget, before fatigue and season."""
        return 1000.0 * self.ctr * self.cvr * self.aov / self.cpm


@dataclass(frozen=True)
class Shock:
    """A disturbance between two moments for campaigns whose "platform name" matches: factors on the hidden truth."""

    match: str
    starts_at: datetime
    ends_at: datetime
    cpm: float = 1.0
    ctr: float = 1.0
    cvr: float = 1.0


@dataclass(frozen=True)
class Runaway:
    """A platform that breaks its promise between two moments: campaigns whose "platform name" matches want `factor` times as much,
    and neither the day's nor the week's ceiling holds them."""

    match: str
    starts_at: datetime
    ends_at: datetime
    factor: float


@dataclass
class Demand:
    """How hard one product's audience is being worked: smoothed spend a day, in minor units."""

    rate: float = 0.0
    wanted: float = 0.0


@dataclass
class _Run:
    """One budget during one hour: who spends, and how much it may."""

    unit: Campaign | Group
    campaign: Campaign
    ads: list[Ad]
    truth: Truth
    demand: Demand
    spend: int


@dataclass(order=True)
class _Claim:
    """A purchase report on its way to the platform's books."""

    when: datetime
    tie: int
    ad: Ad = field(compare=False)
    group: Group = field(compare=False)
    index: int = field(compare=False)
    value: int = field(compare=False)
    within: str = field(compare=False)


def poisson(chance: random.Random, mean: float) -> int:
    """A Poisson draw (normal approximation above 50)."""
    if mean <= 0:
        return 0
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def day_factor(chance: random.Random, ceiling: float) -> float:
    """How generous a day is with a budget: mostly near 1, sometimes short, on rare days up to the platform's ceiling."""
    kind, inside = chance.random(), chance.random()
    if kind < 0.70:
        return 0.93 + 0.14 * inside
    if kind < 0.82:
        return 0.70 + 0.23 * inside
    if kind < 0.95:
        return 1.07 + (min(ceiling, 1.35) - 1.07) * inside
    return min(ceiling, 1.35) + (ceiling - min(ceiling, 1.35)) * inside


class Market:
    """Delivers every full hour for all accounts of the book. `start()` schedules it on the world's clock."""

    def __init__(self, world: World, book: AdBook) -> None:
        self.world = world
        self.book = book
        self.shocks: list[Shock] = []
        self.runaways: list[Runaway] = []
        self.overrides: list[tuple[str, dict[str, float]]] = []
        self._truths: dict[tuple[str, str, str], Truth] = {}
        self._demand: dict[tuple[str, str], Demand] = {}
        self._local: dict[tuple[str, int], tuple[date, int, int]] = {}
        self._claims: list[_Claim] = []
        self._tie = itertools.count()

    def start(self) -> None:
        """Schedules the first full hour after now."""
        self._schedule(self.world.now.replace(minute=0, second=0, microsecond=0) + HOUR)

    def _schedule(self, when: datetime) -> None:
        async def run() -> None:
            self.tick(when)
            self._schedule(when + HOUR)
            await asyncio.sleep(0)

        self.world.at(when, run)

    # what is hidden

    def truth(self, platform: str, key: str, currency: str) -> Truth:
        """The hidden facts of a product on a platform: a quarter winners, a third losers, the rest in between."""
        found = self._truths.get((platform, key, currency))
        if found is None:
            found = self._truths[platform, key, currency] = self._draw(platform, key, currency)
        return found

    def _draw(self, platform: str, key: str, currency: str) -> Truth:
        chance = self.world.rng("market", platform, key)
        luck = chance.random()
        if luck < 0.26:
            quality, roas = "winner", 2.9 + 2.1 * chance.random()
        elif luck < 0.68:
            quality, roas = "middling", 1.1 + 1.3 * chance.random()
        else:
            quality, roas = "loser", 0.15 + 0.75 * chance.random()
        cpm = chance.lognormvariate(math.log(19.0 if platform == "meta" else 13.5), 0.22)
        ctr = min(
            0.035, max(0.006, chance.lognormvariate(math.log(0.0155), 0.30) * {"winner": 1.15, "loser": 0.8}.get(quality, 1.0))
        )
        aov = chance.lognormvariate(math.log(165.0), 0.32)
        cvr = min(0.08, max(0.0008, roas * cpm / (1000.0 * ctr * aov)))
        made = Truth(
            cpm=cpm, ctr=ctr, cvr=cvr, aov=roas * cpm / (1000.0 * ctr * cvr),
            appetite=chance.lognormvariate(math.log({"winner": 900.0, "middling": 500.0}.get(quality, 300.0)), 0.5),
            fatigue=chance.lognormvariate(math.log(90000.0), 0.4), delay_hours=6 + 42 * chance.random(),
            inflation=0.08 + 0.20 * chance.random(), tracked=0.90 + 0.08 * chance.random(), quality=quality,
        )  # fmt: skip
        for match, values in self.overrides:
            if re.search(match, f"{platform} {key}", re.IGNORECASE):
                for name, value in values.items():
                    if name != "roas":
                        setattr(made, name, value)
                if "roas" in values:
                    made.cvr = values["roas"] * made.cpm / (1000.0 * made.ctr * made.aov)
                made.quality = "set by scenario"
        made.cpm, made.aov = minor_from_brl(made.cpm, currency), minor_from_brl(made.aov, currency)
        made.appetite = minor_from_brl(made.appetite, currency)
        return made

    def override(self, match: str, values: dict[str, float]) -> None:
        """Sets hidden facts for products whose "platform key" matches (prices in BRL major units;
        `roas` sets the purchase rate that yields it). Raises ValueError on unknown names."""
        allowed = {"cpm", "ctr", "cvr", "aov", "appetite", "fatigue", "delay_hours", "inflation", "tracked", "roas"}
        if wrong := set(values) - allowed:
            raise ValueError(f"unknown hidden facts {sorted(wrong)}; known: {sorted(allowed)}")
        self.overrides.append((match, values))
        self._truths.clear()

    # time

    def local(self, account: Account, index: int) -> tuple[date, int, int]:
        """(local date, hour, weekday) in the account's time zone of an hour index (hours since 1970 UTC)."""
        known = self._local.get((account.timezone, index))
        if known is None:
            moment = datetime.fromtimestamp(index * 3600, UTC).astimezone(account.zone)
            known = self._local[account.timezone, index] = (moment.date(), moment.hour, moment.weekday())
        return known

    def settle(self) -> None:
        """Books every purchase report that has arrived by now. Call before reading figures."""
        while self._claims and self._claims[0].when <= self.world.now:
            claim = heapq.heappop(self._claims)
            bucket = claim.ad.hour(claim.index)
            if claim.within == "view":
                bucket.cv += 1
                bucket.rv += claim.value
            else:
                bucket.c7 += 1
                bucket.r7 += claim.value
                if claim.within == "1d":
                    bucket.c1 += 1
                    bucket.r1 += claim.value
            claim.ad.hour(int(claim.when.timestamp()) // 3600).realtime += 1
            if claim.when >= claim.group.learning_since:
                claim.group.learning_conversions += 1

    def tick(self, end: datetime) -> None:
        """Simulates the hour that ends at `end`."""
        self.settle()
        index = int((end - HOUR).timestamp()) // 3600
        runs: list[_Run] = []
        for account in self.book.accounts.values():
            first = len(runs)
            for campaign in sorted(account.campaigns.values(), key=lambda item: item.key):
                campaign.accrue(end)
                self._plan(account, campaign, index, runs)
            self._respect_cap(account, runs[first:])
        for demand in self._demand.values():
            demand.wanted = 0.0
        for run in runs:
            run.demand.wanted += run.spend * 24.0
        for demand in self._demand.values():
            demand.rate += (demand.wanted - demand.rate) / 12.0
        for run in runs:
            if run.spend > 0:
                self._deliver(run, index, end)
            for ad in run.ads:
                ad.live_seconds = 0.0

    def _plan(self, account: Account, campaign: Campaign, index: int, runs: list[_Run]) -> None:
        live: list[tuple[Group, list[Ad]]] = []
        for group in sorted(campaign.groups.values(), key=lambda item: item.key):
            ads = [ad for ad in group.ads.values() if ad.live_seconds > 0]
            if ads:
                live.append((group, sorted(ads, key=lambda item: item.key)))
        if not live:
            return
        truth = self.truth(account.platform, campaign.truth_key, account.currency)
        demand = self._demand.setdefault((account.platform, campaign.truth_key), Demand())
        pool = [ad for _, ads in live for ad in ads]
        if campaign.daily_budget is not None and all(group.daily_budget is None for group, _ in live):
            spend = self._want(account, campaign, campaign, pool, index)
            runs.append(_Run(campaign, campaign, pool, truth, demand, spend))
            return
        mine: list[_Run] = []
        for group, ads in live:
            if group.daily_budget is not None:
                spend = self._want(account, group, campaign, ads, index)
                mine.append(_Run(group, campaign, ads, truth, demand, spend))
        if campaign.daily_budget is not None and mine:
            ceiling = self._want(account, campaign, campaign, pool, index)
            total = sum(run.spend for run in mine)
            if total > ceiling:
                for run in mine:
                    run.spend = run.spend * ceiling // total
        runs.extend(mine)

    def _want(self, account: Account, unit: Campaign | Group, campaign: Campaign, ads: list[Ad], index: int) -> int:
        budget = unit.daily_budget
        if budget is None or not account.active:
            return 0
        day, hour, weekday = self.local(account, index)
        ceiling = DAILY_OVERSPEND[account.platform]
        if isinstance(unit, Group) and campaign.data.get("is_adset_budget_sharing_enabled"):
            ceiling *= BUDGET_SHARING
        top = unit.budget_by_day[day] = max(budget, unit.budget_by_day.get(day, 0))
        spent = unit.spent_by_day.get(day, 0)
        share = min(1.0, max(ad.live_seconds for ad in ads) / 3600.0)
        mood = day_factor(self.world.rng("day", account.platform, campaign.key, unit.key, day), ceiling)
        noise = self.world.rng("hour", account.platform, campaign.key, unit.key, index).gauss(1.0, 0.12)
        wanted = round(budget * HOUR_WEIGHT[hour] * mood * share * max(0.3, noise))
        factor = self._runaway(account.platform, campaign.name)
        if factor is not None:
            return round(wanted * factor)
        week = [day - timedelta(days=back) for back in range((weekday + 1) % 7 + 1)]
        weekly = 7 * max(unit.budget_by_day.get(each, 0) for each in week) - sum(unit.spent_by_day.get(each, 0) for each in week)
        return max(0, min(wanted, math.floor(top * ceiling) - spent, weekly))

    def _runaway(self, platform: str, name: str) -> float | None:
        now = self.world.now
        matching = (
            r.factor
            for r in self.runaways
            if r.starts_at < now <= r.ends_at and re.search(r.match, f"{platform} {name}", re.IGNORECASE)
        )
        return max(matching, default=None)

    def _respect_cap(self, account: Account, runs: list[_Run]) -> None:
        if account.spend_cap is None:
            return
        left, total = max(0, account.spend_cap - account.spent), sum(run.spend for run in runs)
        if total > left:
            for run in runs:
                run.spend = run.spend * left // total

    # delivery

    def appeal(self, platform: str, ad: Ad) -> float:
        """How well an ad's text and picture draw clicks, against the product's average. Belongs to the content."""
        known = ad.appeal
        if known is None or known[0] != ad.text:
            known = ad.appeal = (ad.text, self.world.rng("appeal", platform, ad.text or ad.key).lognormvariate(0.0, 0.22))
        return known[1]

    def reach_quality(self, group: Group) -> float:
        """How well a group's audience buys, against broad targeting."""
        known = group.audience
        if known is None or known[0] != group.audience_key:
            chance = self.world.rng("audience", group.campaign.account.platform, group.campaign.truth_key, group.audience_key)
            known = group.audience = (group.audience_key, chance.lognormvariate(0.0, 0.10))
        return known[1]

    def _deliver(self, run: _Run, index: int, end: datetime) -> None:
        platform, truth = run.campaign.account.platform, run.truth
        day, _, weekday = self.local(run.campaign.account, index)
        key = (platform, run.campaign.key)
        shock = [
            s
            for s in self.shocks
            if s.starts_at < end <= s.ends_at and re.search(s.match, f"{platform} {run.campaign.name}", re.IGNORECASE)
        ]
        mood = self.world.rng("mood", *key, day)
        pressure = math.sqrt(1.0 + run.demand.rate / truth.appetite)
        cpm_today = truth.cpm * pressure * math.exp(mood.gauss(0, 0.07)) * math.prod(s.cpm for s in shock)
        ctr_today = truth.ctr * math.exp(mood.gauss(0, 0.06)) * math.prod(s.ctr for s in shock)
        cvr_today = truth.cvr * math.exp(mood.gauss(0, 0.12)) * WEEKDAY_DEMAND[weekday] * math.prod(s.cvr for s in shock)
        weights = [self.appeal(platform, ad) * self.freshness(truth, ad) * ad.live_seconds for ad in run.ads]
        whole = sum(weights)
        left = run.spend
        for position, (ad, weight) in enumerate(zip(run.ads, weights, strict=True)):
            part = left if position == len(run.ads) - 1 else min(left, round(run.spend * weight / whole))
            left -= part
            if part > 0:
                self._serve(run, ad, part, index, cpm_today, ctr_today, cvr_today)

    @staticmethod
    def freshness(truth: Truth, ad: Ad) -> float:
        """Creative fatigue: falls from 1 towards 0.45 as the same ad is shown again and again."""
        return 0.45 + 0.55 * math.exp(-ad.total_impressions / truth.fatigue)

    def _serve(self, run: _Run, ad: Ad, spend: int, index: int, cpm: float, ctr: float, cvr: float) -> None:
        account, truth, group = run.campaign.account, run.truth, ad.group
        chance = self.world.rng("serve", account.platform, run.campaign.key, group.key, ad.key, index)
        learning = group.learning(self.world.now)
        if learning == "LEARNING":
            cpm, cvr = cpm * 1.12 * math.exp(chance.gauss(0, 0.10)), cvr * 0.90
        elif learning == "FAIL":
            cvr *= 0.97
        impressions = poisson(chance, 1000.0 * spend / cpm)
        if impressions == 0:
            return
        clicks = min(
            impressions, poisson(chance, impressions * ctr * self.appeal(account.platform, ad) * self.freshness(truth, ad))
        )
        bucket = ad.hour(index)
        bucket.impressions += impressions
        bucket.clicks += clicks
        bucket.spend += spend
        ad.total_impressions += impressions
        account.spent += spend
        day = self.local(account, index)[0]
        holders: list[Budgeted] = [group, run.campaign]
        for holder in holders:
            holder.spent_by_day[day] = holder.spent_by_day.get(day, 0) + spend
        if clicks == 0:
            return
        expected = clicks * cvr * self.reach_quality(group)
        for number in range(min(clicks, poisson(chance, expected))):
            self._order(run, ad, chance, index, number)
        for _ in range(poisson(chance, expected * truth.inflation)):
            lag = timedelta(hours=chance.expovariate(1 / 9.0))
            if lag < timedelta(days=1):
                seen = datetime.fromtimestamp(index * 3600, UTC) + HOUR + lag
                self._claim(ad, index, seen, self._value(chance, truth), "view")

    def _value(self, chance: random.Random, truth: Truth) -> int:
        spread = 0.35
        return max(1, round(truth.aov * chance.lognormvariate(-spread * spread / 2, spread)))

    def _order(self, run: _Run, ad: Ad, chance: random.Random, index: int, number: int) -> None:
        account, truth = run.campaign.account, run.truth
        clicked = datetime.fromtimestamp(index * 3600 + int(3600 * chance.random()), UTC)
        slow = chance.random() < 0.45
        delay = (
            timedelta(hours=chance.expovariate(1 / truth.delay_hours))
            if slow
            else timedelta(minutes=2 + chance.expovariate(1 / 25.0))
        )
        ordered = (clicked + delay).replace(microsecond=0)
        value = self._value(chance, truth)
        tracked, lag = chance.random() < truth.tracked, timedelta(minutes=3 + chance.expovariate(1 / 40.0))
        mark = hashlib.sha256(repr((account.platform, run.campaign.key, ad.group.key, ad.key, index, number)).encode()).hexdigest()
        order = Order(
            f"S{index}{mark[:10]}".upper(), account.platform, run.campaign.id, ad.id, run.campaign.truth_key,
            utm_of(ad), value, account.currency, clicked, ordered,
        )  # fmt: skip

        async def place() -> None:
            self.world.orders.append(order)
            for listener in self.world.order_listeners:
                await listener(order)

        self.world.at(max(ordered, self.world.now), place)
        if tracked and delay <= ATTRIBUTION_WINDOW:
            self._claim(ad, index, ordered + lag, value, "1d" if delay <= timedelta(days=1) else "7d")

    def _claim(self, ad: Ad, index: int, when: datetime, value: int, within: str) -> None:
        heapq.heappush(self._claims, _Claim(max(when, self.world.now), next(self._tie), ad, ad.group, index, value, within))


def utm_of(ad: Ad) -> dict[str, str]:
    """The UTM parameters of an ad's link, with the platforms' macros filled in."""
    campaign = ad.group.campaign
    macros = {
        "{{campaign.id}}": campaign.id, "{{campaign.name}}": campaign.name, "{{adset.id}}": ad.group.id,
        "{{adset.name}}": ad.group.name, "{{ad.id}}": ad.id, "{{ad.name}}": ad.name, "__CAMPAIGN_ID__": campaign.id,
        "__CAMPAIGN_NAME__": campaign.name, "__AID__": ad.group.id, "__AID_NAME__": ad.group.name, "__CID__": ad.id,
        "__CID_NAME__": ad.name,
    }  # fmt: skip
    found: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(ad.link).query):
        if name.startswith("utm_"):
            for macro, text in macros.items():
                value = value.replace(macro, text)
            found[name] = value
    return found
