"""Verdicts on what actions promised, as they are kept and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, cast

from sqlalchemy import RowMapping

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.outcome import Answer, Method, Metric, Tally
from prompts.messages import LOCALES, render
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, is_id, money
from tools.verdicts import Judged, overall, tally


@dataclass(frozen=True)
class Range:
    """An amount with the ends of its 80 % interval."""

    low: Money
    mid: Money
    high: Money


@dataclass(frozen=True)
class Outcome:
    """One expected effect of one executed action, and what became of it. Amounts are changes against leaving things as they were.

    `headline` marks the effect that stands for the action. `message` is the verdict in words; `better` is None where above or below
    says nothing about good or bad (spend), or where nothing was found.
    """

    action_id: str
    metric: Metric
    horizon_hours: int
    kind: str
    platform: str
    campaign_id: str
    strategy: str
    grant_id: str | None
    headline: bool
    verdict: Answer
    reason: str | None
    currency: str
    expected: Range | None
    measured: Range | None
    observed: Money | None
    counterfactual: Money | None
    z: Decimal | None
    method: Method
    controls: tuple[str, ...]
    window_from: date | None
    window_until: date | None
    days: int
    provisional: bool
    final: bool
    revision: int
    done_at: datetime
    recorded_at: datetime
    revised_at: datetime | None = None

    @property
    def better(self) -> bool | None:
        if self.metric == "spend" or self.verdict not in ("above", "below"):
            return None
        return self.verdict == "above"

    @property
    def message(self) -> Message:
        """The verdict in words, both languages: outcome.as_expected | above | below | undefined | measured_only."""
        params: dict[str, Any] = {"metric": worded(f"outcome.metric.{self.metric}"), "days": self.days}
        if self.reason is not None:
            params["reason"] = worded(f"outcome.reason.{self.reason}")
        if self.measured is None:
            return Message(id="outcome.undefined", params=params)
        params |= {
            "measured": self.measured.mid,
            "low": self.measured.low,
            "high": self.measured.high,
            "method": worded(f"outcome.method.{self.method}", controls=len(self.controls)),
        }
        if self.expected is None:
            return Message(id="outcome.measured_only", params=params)
        params |= {"expected": self.expected.mid, "expected_low": self.expected.low, "expected_high": self.expected.high}
        return Message(id=f"outcome.{self.verdict}", params=params)

    def judged(self) -> Judged:
        """As the tally needs it."""
        return Judged(
            strategy=self.strategy, kind=self.kind, answer=self.verdict,
            expected=None if self.expected is None else float(self.expected.mid.amount),
            measured=None if self.measured is None else float(self.measured.mid.amount),
            z=None if self.z is None else float(self.z),
        )  # fmt: skip


@dataclass(frozen=True)
class Act:
    """One executed action on a campaign, as a time line needs it."""

    action_id: str
    campaign_id: str
    kind: str
    at: datetime


@dataclass(frozen=True)
class Summary:
    """How expectations turned out: `message` says "12 of 15 inside the interval, bias +4 %"; per strategy and kind in `tallies`."""

    message: Message
    all: Tally
    tallies: tuple[Tally, ...]


def worded(message_id: str, **params: Any) -> dict[str, str]:
    """A sentence in every language, as a parameter of another one."""
    return {locale: render(Message(id=message_id, params=params), locale) for locale in LOCALES}


class Outcomes(Repository):
    """Table outcomes."""

    async def of(self, action_ids: Sequence[str]) -> dict[str, list[Outcome]]:
        """Everything recorded of some actions, headline first. An action that is not due yet has no entry."""
        ids = [i for i in action_ids if is_id(i)]
        found: dict[str, list[Outcome]] = {}
        if ids:
            rows = await self.all(
                "select * from outcomes where action_id = any(cast(:ids as uuid[])) order by action_id, headline desc, metric",
                ids=ids,
            )
            for row in rows:
                found.setdefault(str(row["action_id"]), []).append(_outcome(row))
        return found

    async def recent(
        self,
        *,
        campaign_id: str | None = None,
        headline_only: bool = True,
        since: datetime | None = None,
        workspace: str = DEFAULT_WORKSPACE,
        limit: int = 200,
    ) -> list[Outcome]:
        """Newest action first."""
        rows = await self.all(
            """select * from outcomes where workspace = :workspace and (not cast(:headline as boolean) or headline)
                 and (cast(:campaign as text) is null or campaign_id = :campaign)
                 and (cast(:since as timestamptz) is null or done_at >= :since)
               order by done_at desc, action_id, headline desc, metric limit :limit""",
            workspace=workspace, headline=headline_only, campaign=campaign_id, since=since, limit=limit,
        )  # fmt: skip
        return [_outcome(row) for row in rows]

    async def summary(
        self, *, since: datetime | None = None, campaign_id: str | None = None, workspace: str = DEFAULT_WORKSPACE
    ) -> Summary:
        """Coverage and bias of the headline effects."""
        rows = await self.recent(since=since, campaign_id=campaign_id, workspace=workspace, limit=2000)
        judged = [row.judged() for row in rows]
        everything = overall(judged)
        if everything.judged == 0:
            message = Message(id="outcome.summary_none", params={"undefined": everything.undefined})
        else:
            bias = None if everything.bias is None else Decimal(str(round(everything.bias, 4)))
            message = Message(
                id="outcome.summary",
                params={
                    "inside": everything.inside, "judged": everything.judged, "bias": bias,
                    "sign": "+" if bias is not None and bias > 0 else "", "undefined": everything.undefined,
                },
            )  # fmt: skip
        return Summary(message=message, all=everything, tallies=tuple(tally(judged)))

    async def calibration(self, *, since: datetime, workspace: str = DEFAULT_WORKSPACE) -> list[dict[str, Any]]:
        """The engine's `history["calibration"]`: per strategy and kind, how its expectations turned out. Empty before any verdict.

        Of headlines in profit or revenue: that a platform spends what it is given says nothing of the engine's judgement.
        """
        rows = await self.recent(since=since, workspace=workspace, limit=2000)
        found = tally([row.judged() for row in rows if row.metric != "spend"])
        return [t.model_dump(mode="json") for t in found if t.judged]

    async def due(self, now: datetime, done_before: datetime, *, workspace: str = DEFAULT_WORKSPACE, limit: int = 500) -> list[str]:
        """Executed campaign actions done before a moment whose verdict is missing or may still change; oldest first."""
        rows = await self.all(
            """select a.id from actions a where a.workspace = :workspace and a.status = 'done' and a.campaign_id is not null
                 and a.kind = any(:kinds) and a.closed_at <= :before
                 and not exists (select 1 from outcomes o where o.action_id = a.id and o.final)
               order by a.closed_at, a.id limit :limit""",
            workspace=workspace, kinds=list(JUDGED), before=done_before, limit=limit,
        )  # fmt: skip
        return [str(row["id"]) for row in rows]

    async def acts(self, *, workspace: str = DEFAULT_WORKSPACE) -> list[Act]:
        """Everything that was done to campaigns, oldest first: what separates one action's days from another's."""
        rows = await self.all(
            """select id, campaign_id, kind, closed_at from actions where workspace = :workspace and status = 'done'
                 and campaign_id is not null and kind = any(:kinds) order by closed_at, id""",
            workspace=workspace, kinds=list(JUDGED),
        )  # fmt: skip
        return [Act(str(row["id"]), row["campaign_id"], row["kind"], row["closed_at"]) for row in rows]

    async def put(self, outcome: Outcome, *, workspace: str = DEFAULT_WORKSPACE) -> None:
        """Writes a verdict or its revision."""
        expected, measured = outcome.expected, outcome.measured
        await self.run(
            """insert into outcomes (action_id, metric, horizon_hours, workspace, kind, platform, campaign_id, strategy, grant_id,
                 headline, verdict, reason, currency, expected_low_minor, expected_mid_minor, expected_high_minor,
                 measured_low_minor, measured_mid_minor, measured_high_minor, observed_minor, counterfactual_minor, z, method,
                 controls, window_from, window_until, days, provisional, final, revision, done_at, recorded_at, revised_at)
               values (:action, :metric, :horizon, :workspace, :kind, :platform, :campaign, :strategy, :grant, :headline, :verdict,
                 :reason, :currency, :el, :em, :eh, :ml, :mm, :mh, :observed, :counterfactual, :z, :method, :controls, :first, :last,
                 :days, :provisional, :final, :revision, :done, :recorded, :revised)
               on conflict (action_id, metric, horizon_hours) do update set
                 headline = excluded.headline, verdict = excluded.verdict, reason = excluded.reason, currency = excluded.currency,
                 expected_low_minor = excluded.expected_low_minor, expected_mid_minor = excluded.expected_mid_minor,
                 expected_high_minor = excluded.expected_high_minor, measured_low_minor = excluded.measured_low_minor,
                 measured_mid_minor = excluded.measured_mid_minor, measured_high_minor = excluded.measured_high_minor,
                 observed_minor = excluded.observed_minor, counterfactual_minor = excluded.counterfactual_minor, z = excluded.z,
                 method = excluded.method, controls = excluded.controls, window_from = excluded.window_from,
                 window_until = excluded.window_until, days = excluded.days, provisional = excluded.provisional,
                 final = excluded.final, revision = excluded.revision, revised_at = excluded.revised_at""",
            action=outcome.action_id, metric=outcome.metric, horizon=outcome.horizon_hours, workspace=workspace, kind=outcome.kind,
            platform=outcome.platform, campaign=outcome.campaign_id, strategy=outcome.strategy, grant=outcome.grant_id,
            headline=outcome.headline, verdict=outcome.verdict, reason=outcome.reason, currency=outcome.currency,
            el=_minor(expected and expected.low), em=_minor(expected and expected.mid), eh=_minor(expected and expected.high),
            ml=_minor(measured and measured.low), mm=_minor(measured and measured.mid), mh=_minor(measured and measured.high),
            observed=_minor(outcome.observed), counterfactual=_minor(outcome.counterfactual), z=outcome.z, method=outcome.method,
            controls=list(outcome.controls), first=outcome.window_from, last=outcome.window_until, days=outcome.days,
            provisional=outcome.provisional, final=outcome.final, revision=outcome.revision, done=outcome.done_at,
            recorded=outcome.recorded_at, revised=outcome.revised_at,
        )  # fmt: skip

    async def read_at(self) -> dict[str, datetime]:
        """Per platform, when its figures were last read without a failure. A platform that never was is absent."""
        rows = await self.all(
            """select p.platform, max(t.finished_at) as at from schedule_ticks t
               cross join (select distinct platform from campaigns) p
               where t.schedule in ('insights', 'decide') and t.finished_at is not null
                 and t.result ? 'failed' and not coalesce(t.result -> 'failed', '{}') ? p.platform group by p.platform"""
        )
        return {row["platform"]: row["at"] for row in rows}


JUDGED: tuple[Literal["campaign.publish", "campaign.set_budget", "campaign.pause", "campaign.resume"], ...] = (
    "campaign.publish", "campaign.set_budget", "campaign.pause", "campaign.resume",
)  # fmt: skip
"""Kinds of action whose effect is measured."""


def _minor(value: Money | None) -> int | None:
    return None if value is None else value.minor


def _range(row: RowMapping, name: str) -> Range | None:
    low, mid, high = (money(row[f"{name}_{end}_minor"], row["currency"]) for end in ("low", "mid", "high"))
    return None if low is None or mid is None or high is None else Range(low, mid, high)


def _outcome(row: RowMapping) -> Outcome:
    return Outcome(
        action_id=str(row["action_id"]), metric=row["metric"], horizon_hours=row["horizon_hours"], kind=row["kind"],
        platform=row["platform"], campaign_id=row["campaign_id"], strategy=row["strategy"],
        grant_id=None if row["grant_id"] is None else str(row["grant_id"]), headline=row["headline"],
        verdict=cast(Answer, row["verdict"]), reason=row["reason"], currency=row["currency"], expected=_range(row, "expected"),
        measured=_range(row, "measured"), observed=money(row["observed_minor"], row["currency"]),
        counterfactual=money(row["counterfactual_minor"], row["currency"]), z=row["z"], method=row["method"],
        controls=tuple(row["controls"]), window_from=row["window_from"], window_until=row["window_until"], days=row["days"],
        provisional=row["provisional"], final=row["final"], revision=row["revision"], done_at=row["done_at"],
        recorded_at=row["recorded_at"], revised_at=row["revised_at"],
    )  # fmt: skip
