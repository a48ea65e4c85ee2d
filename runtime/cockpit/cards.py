"""A request, a scheduled action or a refusal as a person decides on it: which rule, which number, which limit, and what to do.

The cockpit's templates, the JSON API and the terminal all show this one reading of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from knowledge.domain.action import parse_action
from knowledge.domain.books import Vote
from knowledge.domain.campaign import CampaignStatus
from knowledge.domain.facts import Facts
from knowledge.domain.message import Message
from knowledge.domain.money import CurrencyMismatch, Money
from knowledge.domain.outcome import expectation_of
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from runtime.cockpit import measures
from runtime.cockpit.numbers import DASH
from runtime.cockpit.speak import Difference, Speaker, money_of
from runtime.db.action_reads import ActionRow
from tools.gate import worst_until

SOON = timedelta(hours=1)
SHARES = frozenset({"increase", "change", "confidence", "probability", "share", "drop", "touched", "paused", "pause_limit", "most"})
INNER = frozenset({"own", "grant", "left"})
"""Numbers that are for machines."""


@dataclass(frozen=True)
class Reason:
    """One rule's word: the sentence, which ends with what to do, and in figures the number measured and the limit it met.

    `title` and `said` are the two parts of the sentence; `ends` is when the rule lets go by itself; `dial` moves the limit.
    """

    rule: str
    answer: str
    answer_label: str
    text: str
    title: str
    said: str
    measured: tuple[str, str] | None
    limit: tuple[str, str] | None
    dial: str | None
    ends: datetime | None
    numbers: str


@dataclass(frozen=True)
class Said:
    """A vote as people read it."""

    who: str
    role: str
    at: datetime


@dataclass(frozen=True)
class Card:
    """One action for a person. Everything in it was stored when the action was judged."""

    row: ActionRow
    title: str
    priority: str
    status: str
    difference: tuple[Difference, ...]
    reasons: tuple[Reason, ...]
    passed: tuple[Reason, ...]
    why: str
    by: str
    confidence: str | None
    expected: tuple[tuple[str, str], ...]
    week: tuple[tuple[str, str], ...]
    read_at: datetime | None
    evidence_columns: tuple[str, ...]
    evidence: tuple[tuple[str, ...], ...]
    worst: str
    counted: bool
    worst_label: str
    remedies: tuple[str, ...]
    otherwise: str
    left: str | None
    soon: bool
    late: bool
    votes: tuple[Said, ...]
    needed: str | None
    edited_by: str | None
    error: str | None

    @property
    def told(self) -> tuple[Reason, ...]:
        """The reasons as a person needs them: of a refused action only what refuses, since no approval would help."""
        return tuple(one for one in self.reasons if one.answer == "refuse" or self.row.status != "refused")


def card(say: Speaker, row: ActionRow, policy: Policy | None = None) -> Card:
    """The card of a row, in the speaker's language, at the speaker's moment.

    With the policy in force, a refusal also says what would fit, and a scheduled action what it may cost.
    """
    findings = tuple(reason(say, item, row.facts) for item in _findings(row) if not _empty(item))
    columns: list[str] = []
    for line in row.evidence:
        columns += [key for key in line if key not in columns]
    columns = say.columns(columns)
    until = row.not_before if row.status == "scheduled" else row.expires_at
    left, soon = _left(say, row, until)
    campaign: Mapping[str, Any] = (row.facts or {}).get("campaign") or {}
    read_at = campaign.get("read_at")
    return Card(
        row=row,
        title=say.title(row),
        priority=say.words.find(f"priority.{row.priority}") or "",
        status=say.status(row.status),
        difference=say.difference(row),
        reasons=tuple(f for f in findings if f.answer != "allow"),
        passed=tuple(f for f in findings if f.answer == "allow"),
        why=say.message(row.why) or DASH,
        by=say.who(row.proposer_kind, row.proposer_id),
        confidence=None if row.confidence is None else say.numbers.percent(Decimal(row.confidence)),
        expected=_expected(say, row),
        week=_week(say, campaign),
        read_at=datetime.fromisoformat(read_at) if isinstance(read_at, str) else None,
        evidence_columns=tuple(say.name(key) for key in columns),
        evidence=tuple(tuple(number(say, key, line.get(key)) for key in columns) for line in row.evidence),
        worst=_worst(say, row, policy),
        counted=_counts_up(row, policy),
        worst_label=_worst_label(say, row),
        remedies=_remedies(say, row, findings, policy),
        otherwise=_otherwise(say, row, until),
        left=left,
        soon=soon,
        late=until is not None and until <= say.now,
        votes=tuple(Said(say.actor(vote.by), say.words(f"role.{vote.role}"), vote.at) for vote in row.votes),
        needed=_needed(say, row),
        edited_by=say.actor(row.edited_by) if row.edited_by else None,
        error=say.message(row.error),
    )


def may_not(say: Speaker, row: ActionRow, actor: str, role: str) -> str | None:
    """Why this person's yes would not count, in words, before they press; the gate has the last word. None when it would."""
    by = f"{row.proposer_kind}:{say.who(row.proposer_kind, row.proposer_id)}"
    if actor == by:
        return say.words("approvals.own")
    if actor == row.edited_by and not row.narrower:
        return say.words("approvals.own_edit")
    if row.role == "admin" and role != "admin":
        return say.words("approvals.role_needed", role=say.words("role.admin"))
    if any(vote.by == actor for vote in row.votes):
        return say.words("approvals.voted")
    return None


def telling(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that a person is told: where a rule refuses, only what refuses, since no approval would help against it."""
    refusing = tuple(f for f in findings if f.answer == "refuse")
    return refusing or tuple(f for f in findings if f.answer != "allow")


def undo_words(say: Speaker, row: ActionRow, message: Message) -> str:
    """What an undo would do or why it cannot be, naming the campaign as people know it."""
    named = {"campaign": row.campaign_name} if row.campaign_name and "campaign" in message.params else {}
    return say.message(Message(id=message.id, params=message.params | named)) or message.id


def reason(say: Speaker, item: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Reason:
    """A stored finding in words. With the action's facts it also says when the rule lets go by itself."""
    rule, answer = str(item["rule"]), str(item["answer"])
    numbers = {key: value for key, value in (item.get("numbers") or {}).items() if key not in INNER}
    met = measures.measure(rule, answer, numbers)
    shares = met.unit == "share"
    text = say.message(item["message"]) or DASH
    title, colon, said = text.partition(": ")
    first = said[:1].upper() + said[1:]
    ends = None if answer == "allow" else measures.ends(rule, numbers, facts or {}, say.numbers)
    return Reason(
        rule=rule,
        answer=answer,
        answer_label=say.words(f"answer.{answer}"),
        text=text,
        title=title if colon else "",
        said=first if colon else text,
        measured=_figure(say, met.seen, numbers, met.unit),
        limit=_figure(say, met.limit, numbers, met.unit),
        dial=met.dial,
        ends=ends,
        numbers=" · ".join(f"{say.name(key)} {number(say, key, value, shares=shares)}" for key, value in numbers.items()),
    )


def _figure(say: Speaker, key: str | None, numbers: Mapping[str, Any], unit: measures.Unit) -> tuple[str, str] | None:
    if key is None or numbers.get(key) is None:
        return None
    shown = number(say, key, numbers[key], shares=unit == "share")
    if unit in ("hours", "days", "times") and isinstance(numbers[key], int | str) and key != "expires_at":
        shown = say.words(f"unit.{unit}", n=shown)
    return say.name(key), shown


def _remedies(say: Speaker, row: ActionRow, findings: tuple[Reason, ...], policy: Policy | None) -> tuple[str, ...]:
    """What would pass instead of what was refused: an amount, or the same later. Empty when only the sentences know."""
    refusing = [one for one in findings if one.answer == "refuse"]
    timed = [one.ends for one in refusing if one.ends is not None]
    held = [one for one in refusing if one.ends is None]
    if row.status != "refused" or not refusing or any(one.rule not in measures.AMOUNTS for one in held):
        return ()
    bounded = [one for one in refusing if one.rule in measures.AMOUNTS]
    when = say.numbers.moment(max(timed)) if timed else None
    if not bounded or policy is None:
        return (say.words("refusals.later", when=when),) if when and not held else ()
    most, as_of = measures.fits(row, policy), say.numbers.moment(row.created_at)
    if most is None:
        fit = say.words("refusals.nothing_fits", as_of=as_of)
        return (fit, say.words("refusals.later", when=when)) if when and not held else (fit,)
    amount = say.numbers.money(most)
    if len(bounded) == len(refusing):
        return (say.words("refusals.fits", amount=amount, as_of=as_of),)
    return (say.words("refusals.fits_later", amount=amount, as_of=as_of, when=when),)


def number(say: Speaker, key: str, value: Any, *, shares: bool = False) -> str:
    """A stored number as people write it."""
    if value is None:
        return DASH
    if (key in SHARES or (shares and key == "limit")) and not isinstance(value, Mapping):
        try:
            return say.numbers.percent(Decimal(str(value)), signed=key in ("increase", "change"), exact=True)
        except ArithmeticError:
            return str(value)
    if key == "kind":
        return say.words.find(f"act.{value}") or str(value)
    if key == "expires_at":
        return say.numbers.moment(datetime.fromisoformat(str(value)))
    if key == "platform":
        return say.platform(str(value)) or str(value)
    return say.numbers.any(value)


def _findings(row: ActionRow) -> list[dict[str, Any]]:
    order = {"refuse": 0, "ask": 1, "allow": 2}
    found: list[dict[str, Any]] = list((row.verdict or {}).get("findings") or [])
    return sorted(found, key=lambda item: order.get(item["answer"], 3))


def _empty(item: Mapping[str, Any]) -> bool:
    """A rule that passed because there was nothing to look at, and whose sentence would list nothing: no rate was needed."""
    return item["answer"] == "allow" and item["rule"] == "exchange_rate" and not (item["message"].get("params") or {}).get("pairs")


def _left(say: Speaker, row: ActionRow, until: datetime | None) -> tuple[str | None, bool]:
    """How long there is still to decide, and whether that is soon; nothing where nobody can decide any more."""
    if until is None or not (row.ticket_status == "pending" or row.status == "scheduled"):
        return None, False
    left = until - say.now
    if left.total_seconds() <= 0:
        return say.words("approvals.expired" if row.status != "scheduled" else "scheduled.due"), True
    key = "scheduled.left" if row.status == "scheduled" else "approvals.expires"
    return say.words(key, span=say.numbers.duration(left)), left < SOON


def _exposure(row: ActionRow, policy: Policy | None) -> Money | None:
    """What the request says it may cost; of a scheduled action, what the day in which it is done may."""
    if row.exposure is not None:
        return row.exposure
    if row.status != "scheduled" or policy is None or row.not_before is None or not row.facts:
        return None
    try:
        return worst_until(parse_action(row.args), Facts.model_validate(row.facts), policy, row.not_before, row.not_before)
    except (ValueError, CurrencyMismatch):
        return None


def _worst(say: Speaker, row: ActionRow, policy: Policy | None) -> str:
    """The most it may cost before its request expires. A pause costs nothing by its nature; a missing figure is said."""
    found = _exposure(row, policy)
    if found is not None and _counts_up(row, policy):
        return say.numbers.money(found)
    return say.words("approvals.no_worst" if found is None and say.spends(row.kind) else "approvals.no_spend")


def _counts_up(row: ActionRow, policy: Policy | None) -> bool:
    found = _exposure(row, policy)
    return found is not None and found.minor > 0


def _worst_label(say: Speaker, row: ActionRow) -> str:
    if row.status == "scheduled":
        return say.words("scheduled.worst")
    if row.expires_at is None:
        return say.words("approvals.worst")
    return say.words("approvals.worst_until", when=say.numbers.moment(row.expires_at))


@dataclass(frozen=True)
class Total:
    """Several requests together. `unknown`: how many of them may spend and have no figure."""

    worst: Money
    unknown: int


def together(rows: Sequence[ActionRow], policy: Policy, spends: Callable[[str], bool]) -> Total:
    """The worst case of saying yes to all of them. Of two changes of one budget the larger counts, not both."""
    most: dict[tuple[str, str], int] = {}
    unknown = 0
    for row in rows:
        if row.exposure is None or row.exposure.currency != policy.currency:
            unknown += spends(row.kind)
            continue
        name = (row.kind, row.campaign_id or row.id)
        most[name] = max(most.get(name, 0), row.exposure.minor)
    return Total(Money(minor=sum(most.values()), currency=policy.currency), unknown)


def _otherwise(say: Speaker, row: ActionRow, until: datetime | None) -> str:
    """What happens when nobody answers, and what that costs where the proposer said so."""
    if until is None:
        return DASH
    if row.status == "scheduled":
        return say.words("scheduled.otherwise", when=say.numbers.moment(until))
    silence = say.words("approvals.otherwise_expire", when=say.numbers.moment(until))
    cost = say.message((row.expected or {}).get("otherwise"))
    return f"{cost} {silence}" if cost else silence


def _needed(say: Speaker, row: ActionRow) -> str | None:
    """Who must still say yes."""
    if row.ticket_status != "pending":
        return None
    counted = sum(_counts(vote, row.role) for vote in row.votes)
    role, missing = say.words(f"role.{row.role}"), row.quorum - counted
    if row.quorum == 1:
        return say.words("approvals.needs_one", role=role)
    return say.words("approvals.needs", votes=counted, quorum=row.quorum, missing=missing, role=role)


def _counts(vote: Vote, role: str) -> bool:
    return role != "admin" or vote.role == "admin"


def _expected(say: Speaker, row: ActionRow) -> tuple[tuple[str, str], ...]:
    """(what, how much with its interval). An expectation that could not be computed says why."""
    stored = row.expected or {}
    known = expectation_of(row.expected)
    if known is None:
        return tuple((say.name(key), number(say, key, value)) for key, value in stored.items() if key != "otherwise")
    if known.unknown is not None:
        return ((say.words("expected.label"), say.words(f"expected.{known.unknown}")),)
    share = say.numbers.percent(known.coverage)
    return tuple(
        (
            say.words("expected.effect", metric=say.words(f"expected.{effect.metric}"), span=_span(say, effect.horizon_hours)),
            say.words(
                "expected.interval",
                mid=_signed(say, effect.mid),
                share=share,
                low=_signed(say, effect.low),
                high=_signed(say, effect.high),
            ),
        )
        for effect in known.effects
    )


def _span(say: Speaker, hours: int) -> str:
    return say.words("unit.hours", n=hours) if hours % 24 else say.words("unit.days", n=hours // 24)


def _signed(say: Speaker, amount: Money) -> str:
    text = say.numbers.money(amount)
    return f"+{text}" if amount.minor > 0 else text.replace("-", "−")


def _week(say: Speaker, campaign: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The campaign's last seven days as the rules saw them; nothing for an action without a campaign."""
    if not campaign:
        return ()
    spend, revenue = money_of(campaign.get("spend_7d")), money_of(campaign.get("revenue_7d"))
    roas = revenue.ratio_to(spend) if spend is not None and revenue is not None and spend.currency == revenue.currency else None
    status: CampaignStatus | None = campaign.get("status")
    rows = [
        (say.words("week.spend"), say.numbers.money(spend)),
        (say.words("week.revenue"), say.numbers.money(revenue)),
        (say.words("week.roas"), say.numbers.decimal(roas)),
        (say.words("week.impressions"), say.numbers.decimal(campaign.get("impressions_7d"), 0)),
        (say.words("week.status"), DASH if status is None else say.words.find(f"campaign_status.{status}") or str(status)),
    ]
    for key in ("launched_at", "last_raise_at"):
        if campaign.get(key):
            rows.append((say.words(f"week.{key}"), say.numbers.moment(datetime.fromisoformat(campaign[key]))))
    return tuple(rows)
