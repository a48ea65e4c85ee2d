"""Stored records as people read them: sentences, differences, names. One Speaker per request (locale and time zone)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
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
from runtime.db.repository import is_id

SPENDS = frozenset(kind.model_fields["kind"].default for kind in SPENDING)
COLUMNS = ("day", "date", "platform", "campaign", "campaign_id", "name", "status", "budget", "impressions", "clicks", "spend",
    "conversions", "orders", "revenue", "roas")  # fmt: skip
REVERSIBLE = frozenset({"campaign.publish", "campaign.set_budget", "campaign.pause", "campaign.resume"})


@dataclass(frozen=True)
class Difference:
    """What the action changes: one label, the value before and after, and the change in percent where it is a number."""

    label: str
    before: str
    after: str
    delta: str | None = None


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
        self.now = now

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
        """The same for the stored form `kind:id`; a process that carried something out is the system."""
        kind, _, ident = stored.partition(":")
        if not ident and is_id(stored):
            kind = "system"
        return self.who(kind, ident) if ident else (self.words.find(f"actor.{kind}") or stored)

    def platform(self, platform: str | None) -> str | None:
        return None if platform is None else (self.words.find(f"platform.{platform}") or platform)

    def campaign(self, name: str, platform: str | None) -> str:
        """A campaign's name without the platform that the house wrote behind it, for places that name the platform themselves."""
        suffix = f" · {self.platform(platform) or ''}"
        return name[: -len(suffix)] if name.casefold().endswith(suffix.casefold()) and len(name) > len(suffix) else name

    def status(self, status: str) -> str:
        return self.words.find(f"action_status.{status}") or status

    def _campaign(self, row: ActionRow) -> str | None:
        return row.campaign_name or row.args.get("name") or row.campaign_id

    def _subject(self, row: ActionRow) -> str:
        if row.kind == "autonomy.grant":
            return self.words.find(f"act.{row.args.get('action_kind')}") or str(row.args.get("action_kind"))
        name = self._campaign(row)
        return " · ".join(part for part in (self.platform(row.platform), name and self.campaign(name, row.platform)) if part)

    def _direction(self, row: ActionRow) -> str:
        if row.kind == "campaign.set_budget":
            before, after = self._budgets(row)
            if before is not None and after is not None and before.currency == after.currency and before != after:
                return "raise" if after > before else "cut"
        return row.kind

    def _budgets(self, row: ActionRow) -> tuple[Money | None, Money | None]:
        """(the platform's budget when it was judged, the one asked for), both as the ad account counts them."""
        campaign = (row.facts or {}).get("campaign") or {}
        return money_of(campaign.get("native_budget")) or money_of(campaign.get("daily_budget")), money_of(
            row.args.get("daily_budget")
        )

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
            rows = [Difference(words("diff.budget"), shown, self.numbers.money(after), delta)]
            if row.kind == "campaign.publish":
                rows += self._launch(row)
            return tuple(rows)
        if row.kind in ("campaign.pause", "campaign.resume"):
            delivery = ((row.facts or {}).get("campaign") or {}).get("delivery")
            known = {"active": words("diff.active"), "paused": words("diff.paused")}
            before_text = known.get(str(delivery), words("diff.unknown") if delivery is None else str(delivery))
            after_text = words("diff.paused" if row.kind == "campaign.pause" else "diff.active")
            return (Difference(words("diff.status"), before_text, after_text),)
        if row.kind == "autonomy.grant":
            return self._grant(row)
        shown_text = row.args.get("text")
        if isinstance(shown_text, str):
            return (Difference(words("diff.text"), DASH, shown_text),)
        return ()

    def _launch(self, row: ActionRow) -> list[Difference]:
        """What a new campaign would show, and to whom."""
        args = row.args
        told = [f"{c.get('headline')} — {c.get('text')}" for c in args.get("creatives") or []]
        ages = f"{args.get('age_min')}–{args.get('age_max')}"
        parts = [("edit.creative", text) for text in told]
        parts += [
            ("edit.landing_url", str(args.get("landing_url"))),
            ("edit.audience", f"{', '.join(args.get('countries') or ())} · {ages}"),
        ]
        return [Difference(self.words(label), "", text) for label, text in parts]

    def _grant(self, row: ActionRow) -> tuple[Difference, ...]:
        """What a grant of autonomy would let machines do."""
        args, words, n = row.args, self.words, self.numbers
        most = args.get("max_change")
        parts = [
            (words("grant.bound"), n.money(money_of(args.get("max_amount")))),
            (words("grant.change"), words("grant.by_dial") if most is None else n.percent(Decimal(str(most)))),
            (words("grant.count"), n.decimal(args.get("max_count"), 0)),
            (words("grant.until"), n.moment(datetime.fromisoformat(str(args["expires_at"])))),
        ]
        return tuple(Difference(label, words("grant.asks"), value) for label, value in parts)

    def spends(self, kind: str) -> bool:
        """Whether actions of this kind can raise what is spent."""
        return kind in SPENDS

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
            found: list[dict[str, Any]] = list((row.verdict or {}).get("findings") or [])
            why = next((self.message(item["message"]) for item in found if item["answer"] == "refuse"), None)
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


def money_of(value: Any) -> Money | None:
    """A stored amount; None when there is none or it is not one."""
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
