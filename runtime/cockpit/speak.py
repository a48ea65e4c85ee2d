"""Stored records as people read them: sentences, differences, names. One Speaker per request (locale and time zone)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from knowledge.domain.action import SPENDING
from knowledge.domain.facts import KillSwitch
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.cockpit.numbers import DASH, Numbers
from runtime.cockpit.words import Words
from runtime.db.action_reads import ActionRow

SPENDS = frozenset(kind.model_fields["kind"].default for kind in SPENDING)
SOON = timedelta(hours=1)
SHARE_RULES = frozenset({"approval_above", "max_increase", "confidence"})
"""Rules whose limit is a share, not an amount or a count."""
COLUMNS = ("day", "date", "platform", "campaign", "campaign_id", "name", "status", "budget", "impressions", "clicks", "spend",
    "conversions", "orders", "revenue", "roas")  # fmt: skip
REVERSIBLE = frozenset({"campaign.set_budget", "campaign.pause", "campaign.resume"})


@dataclass(frozen=True)
class Difference:
    """What the action changes: one label, the value before and after, and the change in percent where it is a number."""

    label: str
    before: str
    after: str
    delta: str | None = None


@dataclass(frozen=True)
class FindingView:
    rule: str
    answer: str
    answer_label: str
    text: str
    numbers: str


@dataclass(frozen=True)
class Card:
    """One action for a person: what, why, what if not, evidence, policy, worst case, deadline."""

    row: ActionRow
    title: str
    priority: str
    difference: tuple[Difference, ...]
    why: str
    otherwise: str
    worst: str
    expires: str | None
    soon: bool
    confidence: str | None
    findings: tuple[FindingView, ...]
    asked: int
    evidence_columns: tuple[str, ...]
    evidence: tuple[tuple[str, ...], ...]
    expected: tuple[tuple[str, str], ...]
    by: str
    status: str
    error: str | None


@dataclass(frozen=True)
class FeedLine:
    row: ActionRow
    who: str
    what: str
    why: str | None
    at: datetime
    tone: str
    undo: bool


class Speaker:
    """Turns rows into words. `render` speaks the domain's messages (findings, reasons, alerts) in a locale."""

    def __init__(self, words: Words, numbers: Numbers, render: Callable[[Message, str], str], now: datetime) -> None:
        self.words = words
        self.numbers = numbers
        self._render = render
        self._now = now

    def message(self, stored: Mapping[str, Any] | Message | None) -> str | None:
        """The sentence of a stored message. One whose words are missing is shown by id and parameters, so that nothing hides."""
        if stored is None:
            return None
        try:
            message = stored if isinstance(stored, Message) else Message.model_validate(stored)
            message = Message(id=message.id, params={key: _readable(value) for key, value in message.params.items()})
        except ValidationError:
            return self.numbers.any(dict(stored)) if isinstance(stored, Mapping) else DASH
        try:
            return self._render(message, self.words.locale)
        except (KeyError, LookupError):
            rest = ", ".join(f"{self.name(key)} {self.numbers.any(value)}" for key, value in message.params.items())
            return f"{message.id} · {rest}" if rest else message.id

    def name(self, key: str) -> str:
        """A field's name in the locale, or the key itself."""
        return self.words.find(f"number.{key}") or key.replace("_", " ")

    @staticmethod
    def columns(keys: Iterable[str]) -> list[str]:
        """The order in which people read a row: stored JSON has lost its own."""
        return sorted(keys, key=lambda key: (COLUMNS.index(key) if key in COLUMNS else len(COLUMNS), key))

    def who(self, kind: str, ident: str) -> str:
        """agent:media_buyer -> media buyer; user:a@b -> a@b; schedule -> schedule."""
        if kind == "agent":
            return self.words.find(f"agent.{ident}") or ident.replace("_", " ")
        if kind == "user":
            return _person(ident)
        return self.words.find(f"actor.{kind}") or kind

    def actor(self, stored: str) -> str:
        """The same for the stored form `kind:id`."""
        kind, _, ident = stored.partition(":")
        return self.who(kind, ident) if ident else (self.words.find(f"actor.{kind}") or stored)

    def platform(self, platform: str | None) -> str | None:
        return None if platform is None else (self.words.find(f"platform.{platform}") or platform)

    def status(self, status: str) -> str:
        return self.words.find(f"action_status.{status}") or status

    def _campaign(self, row: ActionRow) -> str | None:
        return row.campaign_name or row.args.get("name") or row.campaign_id

    def _subject(self, row: ActionRow) -> str:
        return " · ".join(part for part in (self.platform(row.platform), self._campaign(row)) if part)

    def _direction(self, row: ActionRow) -> str:
        if row.kind == "campaign.set_budget":
            before, after = self._budgets(row)
            if before is not None and after is not None and before.currency == after.currency and before != after:
                return "raise" if after > before else "cut"
        return row.kind

    def _budgets(self, row: ActionRow) -> tuple[Money | None, Money | None]:
        """(the platform's budget when it was judged, the one asked for)."""
        campaign = (row.facts or {}).get("campaign") or {}
        return _money(campaign.get("daily_budget")), _money(row.args.get("daily_budget"))

    def act(self, row: ActionRow) -> str:
        return self.words.find(f"act.{self._direction(row)}") or row.kind

    def title(self, row: ActionRow) -> str:
        return " · ".join(part for part in (self.act(row), self._subject(row)) if part)

    def difference(self, row: ActionRow) -> tuple[Difference, ...]:
        """Before and after, as judged. Unknown befores say so."""
        words = self.words
        if row.kind in ("campaign.set_budget", "campaign.publish"):
            before, after = self._budgets(row)
            if row.kind == "campaign.publish":
                shown = words("diff.none")
            else:
                shown = words("diff.unknown") if before is None else self.numbers.money(before)
            delta = None
            if before is not None and after is not None and before.currency == after.currency:
                ratio = after.ratio_to(before)
                delta = None if ratio is None else self.numbers.percent(ratio - 1, signed=True)
            return (Difference(words("diff.budget"), shown, self.numbers.money(after), delta),)
        if row.kind in ("campaign.pause", "campaign.resume"):
            delivery = ((row.facts or {}).get("campaign") or {}).get("delivery")
            known = {"active": words("diff.active"), "paused": words("diff.paused")}
            before_text = known.get(str(delivery), words("diff.unknown") if delivery is None else str(delivery))
            after_text = words("diff.paused" if row.kind == "campaign.pause" else "diff.active")
            return (Difference(words("diff.status"), before_text, after_text),)
        shown_text = row.args.get("text")
        if isinstance(shown_text, str):
            return (Difference(words("diff.text"), DASH, shown_text),)
        return ()

    def _findings(self, row: ActionRow) -> tuple[FindingView, ...]:
        order = {"refuse": 0, "ask": 1, "allow": 2}
        found: list[dict[str, Any]] = list((row.verdict or {}).get("findings") or [])
        return tuple(
            FindingView(
                rule=item["rule"],
                answer=item["answer"],
                answer_label=self.words(f"answer.{item['answer']}"),
                text=self.message(item["message"]) or DASH,
                numbers=self._numbers(item.get("numbers") or {}, shares=item["rule"] in SHARE_RULES),
            )
            for item in sorted(found, key=lambda item: order.get(item["answer"], 3))
        )

    def _numbers(self, numbers: Mapping[str, Any], *, shares: bool) -> str:
        return " · ".join(f"{self.name(key)} {self._number(key, value, shares=shares)}" for key, value in numbers.items())

    def _number(self, key: str, value: Any, *, shares: bool = False) -> str:
        if value is not None and (key in ("increase", "change", "confidence", "probability") or (shares and key == "limit")):
            return self.numbers.percent(Decimal(str(value)), signed=key in ("increase", "change"))
        if key == "kind":
            return self.words.find(f"act.{value}") or str(value)
        return self.numbers.any(value)

    def card(self, row: ActionRow) -> Card:
        """Everything an approval shows. Reads nothing: all of it was stored when the action was judged."""
        columns: list[str] = []
        for line in row.evidence:
            columns += [key for key in line if key not in columns]
        columns = self.columns(columns)
        expected = dict(row.expected or {})
        otherwise = self.message(expected.pop("otherwise", None))
        if otherwise is None and row.expires_at is not None:
            otherwise = self.words("approvals.otherwise_expire", when=self.numbers.moment(row.expires_at))
        expires, soon = None, False
        if row.expires_at is not None:
            left = row.expires_at - self._now
            expires, soon = self.words("approvals.expired"), left < SOON
            if left.total_seconds() > 0:
                expires = self.words("approvals.expires", span=self.numbers.duration(left))
        findings = self._findings(row)
        return Card(
            row=row,
            title=self.title(row),
            priority=self.words.find(f"priority.{row.priority}") or str(row.priority or ""),
            difference=self.difference(row),
            why=self.message(row.why) or DASH,
            otherwise=otherwise or DASH,
            worst=self._worst(row),
            expires=expires,
            soon=soon,
            confidence=None if row.confidence is None else self.numbers.percent(Decimal(row.confidence)),
            findings=findings,
            asked=sum(1 for finding in findings if finding.answer != "allow"),
            evidence_columns=tuple(self.name(key) for key in columns),
            evidence=tuple(tuple(self.numbers.any(line.get(key)) for key in columns) for line in row.evidence),
            expected=tuple((self.name(key), self._number(key, value)) for key, value in expected.items()),
            by=self.who(row.proposer_kind, row.proposer_id),
            status=self.status(row.status),
            error=self.message(row.error),
        )

    def _worst(self, row: ActionRow) -> str:
        """The most it may cost before its ticket expires. A pause costs nothing by its nature; a missing figure is said."""
        if row.exposure is not None:
            return self.numbers.money(row.exposure)
        return self.words("approvals.no_worst" if row.kind in SPENDS else "approvals.no_spend")

    def line(self, row: ActionRow, *, may_undo: bool) -> FeedLine:
        """One line of the feed: done things in the past tense, all others with their status before them."""
        subject = self._subject(row)
        if row.status == "done":
            said = self.words.find(f"did.{self._direction(row)}") or row.kind
            what, tone = f"{said} “{subject}”" if subject else said, "ok"
        else:
            what = f"{self.act(row)}: “{subject}”" if subject else self.act(row)
            bad = row.status in ("failed", "unknown", "refused", "cancelled")
            tone = "bad" if bad else "wait" if row.status == "waiting" else "quiet"
        why = self.message(row.error)
        if why is None and row.status == "refused":
            why = next((f.text for f in self._findings(row) if f.answer == "refuse"), None)
        if why is None and row.status == "rejected":
            why = row.decision_reason
        if why is None:
            why = self.message(row.why)
        undo = may_undo and row.status == "done" and row.kind in REVERSIBLE and not row.undone
        return FeedLine(row, self.who(row.proposer_kind, row.proposer_id), what, why, row.at, tone, undo)

    def kill(self, kill: KillSwitch) -> str:
        """What a stop covers."""
        scope = self.words(f"kill.scopes.{kill.scope}")
        return scope if kill.target is None else f"{scope}: {self.platform(kill.target)}"


def _money(value: Any) -> Money | None:
    try:
        return None if value is None else Money.model_validate(value)
    except ValidationError:
        return None


def _readable(value: Any) -> Any:
    """A ratio that was stored with all its decimals, as a number that the locale rounds."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+\.\d{3,}", value):
        return round(Decimal(value), 4)
    return value


def _person(ident: str) -> str:
    """A person's id. The ledger keeps actors with a role as JSON, so that the role is kept with them."""
    if not ident.startswith("{"):
        return ident
    try:
        return str(json.loads(ident)["id"])
    except (ValueError, KeyError):
        return ident
