"""The offline CEO: a manager's command becomes one tool call, and the tool's rows become the answer, each with its source.

The same brain plays the media buyer and the analyst, who are offered fewer tools; what a member lacks it says. Nothing is decided
here: what may be done is the gate's word, which is repeated to the manager as it came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

from agents.offline.brain import Answer, Call, Said, as_rows, parsed, since_user
from agents.offline.commands import Command, objection, parse
from agents.offline.orders import Order
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import UnknownMessage, format_value, render
from tools.kits.media import CampaignRow, resolve

DELEGATE = "delegate_task_to_member"
_MEMBERS = {"copy": "copywriter", "products": "scout", "summary": "analyst", "performance": "analyst", "spend": "media_buyer"}


class ManagerBrain:
    """Commands in Portuguese and English. Stateless."""

    def answer(self, messages: Sequence[Said], tools: frozenset[str]) -> Answer:
        _, text, since = since_user(messages)
        command = parse(_task(text))
        for message in reversed(since):
            if message.role == "tool" and message.tool == "list_campaigns" and command.kind == "budget":
                return _weighed(command, parsed(message.text))
            if message.role == "tool" and message.tool:
                return Answer(compose(command, message.tool, parsed(message.text)))
        if command.kind == "amount":
            return Answer(_say("chat.amount.amount", command.locale, given=command.given[:40]))
        if command.kind in {"budget", "pause", "resume"} and command.campaign is None:
            return Answer(_say("chat.which_campaign", command.locale))
        if command.order is not None and command.kind == "stop_part" and not command.order.ref and not command.order.whole:
            return Answer(_say("chat.which_campaign", command.locale))  # "bloqueie essa campanha" must not stop the others
        if command.kind == "doubt":
            return Answer(_say("chat.not_plain", command.locale))
        if command.kind == "decline":
            return Answer(_say("chat.declined", command.locale))
        call = _call(command)
        if call is not None and call.name in tools:
            weighing = command.kind == "budget" and command.amount is not None and "list_campaigns" in tools
            return Answer(calls=(Call("list_campaigns") if weighing else call,))
        member = _MEMBERS.get(command.kind)
        if DELEGATE in tools and member is not None:
            return Answer(calls=(Call(DELEGATE, {"member_id": member, "task": _task(text)}),))
        opening = "chat.hello" if command.kind == "hello" else "chat.unknown"
        return Answer(f"{_say(opening, command.locale)} {_say('chat.can_do', command.locale)}")


def _weighed(command: Command, result: Any) -> Answer:
    """An order about a budget once the budgets that stand are read: carried out, or told why not. A name that means none or several of
    the campaigns goes on to the kit, which asks back."""
    rows = [CampaignRow.model_validate(row | {"daily_budget": _money(row.get("daily_budget"))}) for row in as_rows(result)]
    found = resolve(command.campaign or "", rows)
    against = objection(command, found[0].name, found[0].daily_budget) if len(found) == 1 else None
    call = _call(command)
    if against is not None:
        return Answer(render(against, command.locale))
    return Answer(calls=(call,)) if call is not None else Answer(_say("chat.unknown", command.locale))


def _money(given: Any) -> Money | None:
    """Money as `as_json` writes it."""
    if not isinstance(given, dict):
        return None
    said = cast(dict[str, Any], given)
    return Money.of(str(said["amount"]), str(said["currency"]))


def _task(text: str) -> str:
    """The words of a task, without the frame that Agno puts around delegated ones."""
    found = re.search(r"<task>(.*?)</task>", text, re.DOTALL)
    return (found[1] if found else text).strip()


def _call(command: Command) -> Call | None:
    if command.order is not None:
        return _order(command.order)
    campaign = {"campaign": command.campaign} if command.campaign else {}
    match command.kind:
        case "spend":
            return Call("spend_today")
        case "performance":
            return Call("performance", {**campaign, **({"days": command.days} if command.days else {})})
        case "explain":
            return Call("explain", {**campaign, **({"kind": command.about} if command.about else {})})
        case "worked":
            return Call("outcomes", campaign)
        case "budget":
            if command.percent is not None:
                return Call("propose_budget_change", {**campaign, "percent": _plain(command.percent)})
            return Call(
                "propose_budget_change", {**campaign, "delta" if command.by else "amount": _plain(command.amount or Decimal(0))}
            )
        case "pause":
            return Call("propose_pause", campaign)
        case "resume":
            return Call("propose_resume", campaign)
        case "approvals":
            return Call("list_approvals")
        case "stop_all":
            return Call("stop_everything", {"reason": command.reason} if command.reason else {})
        case "summary":
            return Call("day_summary")
        case "campaigns":
            return Call("list_campaigns")
        case "products":
            return Call("list_products")
        case _:
            return None


def _order(order: Order) -> Call | None:
    """What an order about requests asks of the request kit; the kit and the gate decide what becomes of it."""
    because = {"reason": order.reason} if order.reason else {}
    one = {"request": order.named} if order.named else {}
    match order.kind:
        case "approve":
            return Call("approve_all", {"campaign": order.named}) if order.whole else Call("approve_request", one)
        case "reject":
            return (
                Call("reject_all", {"campaign": order.named, **because}) if order.whole else Call("reject_request", one | because)
            )
        case "edit":
            return Call("edit_request", {"daily_budget": order.given, **one, **because})
        case "extend":
            return Call("extend_request", {"hours": order.hours, **one})
        case "act_early":
            return Call("act_early", one)
        case "withdraw":
            return Call("withdraw_request", one | because)
        case "undo" | "undo_everything":
            return Call(order.kind, {"change": order.named, **because})
        case "stop_part":
            return Call("stop_part", {"where": order.ref, **because}) if order.ref else Call("stop_everything", because)
        case "lift":
            return Call("lift_stop", {"where": order.ref})
        case "confirm":
            return Call("confirm")
        case "decline" | "doubt":
            return None


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _say(message_id: str, locale: str, **params: Any) -> str:
    return render(Message(id=message_id, params=params), locale)


def _word(prefix: str, value: Any, locale: str) -> str:
    """A status or kind in the locale's words; an unknown one is shown as it is."""
    try:
        return _say(f"{prefix}.{value}", locale)
    except UnknownMessage:
        return str(value)


def compose(command: Command, tool: str, result: Any) -> str:
    """The answer in the manager's language, from what the tool returned and nothing else."""
    locale = command.locale
    if tool == DELEGATE:
        return str(result) if not isinstance(result, list | dict) else _say("chat.unknown", locale)
    if not isinstance(result, dict):
        return _say("chat.error", locale, detail=str(result)[:300])
    data = cast(dict[str, Any], result)
    if "say" in data:
        return str(data["say"])
    if "ambiguous" in data:
        return _say("chat.ambiguous", locale, asked=data.get("asked"), names=data["ambiguous"])
    if "not_found" in data:
        names = data.get("known")
        return _say("chat.not_found", locale, asked=data["not_found"], names=names) if names else _say("chat.no_campaigns", locale)
    if "error" in data:
        return _say("chat.error", locale, detail=data["error"])
    match tool:
        case "spend_today":
            return _spend(data, locale)
        case "performance":
            return _listed(_performance(as_rows(data), locale), "chat.performance.none", locale)
        case "list_campaigns":
            lines = [
                _cite(
                    _say(
                        "chat.campaign.row",
                        locale,
                        campaign=r.get("name"),
                        platform=r.get("platform"),
                        status=_word("status", r.get("status"), locale),
                        budget=r.get("daily_budget"),
                    ),
                    r,
                )
                for r in as_rows(data)
            ]
            return _listed(lines, "chat.no_campaigns", locale)
        case "explain":
            return _listed([_decision(r, locale) for r in as_rows(data)], "chat.explain.none", locale)
        case "outcomes":
            return _outcomes(data, locale)
        case "propose_budget_change":
            text = _say(
                "chat.proposed.budget",
                locale,
                campaign=data.get("campaign"),
                current=data.get("current"),
                wanted=data.get("wanted"),
                gate=_gate(data, locale),
            )
            return _cite(text, _gate_ref(data))
        case "propose_pause" | "propose_resume":
            return _cite(
                _say("chat.proposed.state", locale, campaign=data.get("campaign"), gate=_gate(data, locale)), _gate_ref(data)
            )
        case "day_summary":
            return _summary(data, locale)
        case "list_products":
            return products_text(as_rows(data), locale)
        case _:
            return _say("chat.unknown", locale)


def _cite(text: str, row: dict[str, Any]) -> str:
    return f"{text} [{row['ref']}]" if row.get("ref") else text


def _listed(lines: list[str], none: str, locale: str) -> str:
    return "\n".join(lines) if lines else _say(none, locale)


def _spend(data: dict[str, Any], locale: str) -> str:
    head = _say(
        "chat.spend.total",
        locale,
        total=data.get("total"),
        cap=data.get("daily_cap"),
        week=data.get("week_total"),
        week_cap=data.get("weekly_cap"),
    )
    rows = [
        _cite(
            _say(
                "chat.spend.row",
                locale,
                campaign=r.get("campaign"),
                platform=r.get("platform"),
                spend=r.get("spend"),
                budget=r.get("daily_budget"),
            ),
            r,
        )
        for r in as_rows(data)
    ]
    return "\n".join([head, *(f"- {row}" for row in rows)] if rows else [head, _say("chat.spend.none", locale)])


def _performance(rows: list[dict[str, Any]], locale: str) -> list[str]:
    if not rows:
        return []
    lines = [_say("chat.performance.head", locale, days=rows[0].get("days"))]
    for row in rows:
        fields = {name: row.get(name) for name in ("campaign", "platform", "spend", "revenue", "conversions", "cpa")}
        roas = format_value(row.get("roas"), locale, "number" if row.get("roas") is not None else None)
        text = _say("chat.performance.row", locale, roas=roas, status=_word("status", row.get("status"), locale), **fields)
        if row.get("provisional"):
            text += f" ({_say('chat.provisional', locale)})"
        lines.append(f"- {_cite(text, row)}")
    return lines


def _decision(row: dict[str, Any], locale: str) -> str:
    text = _say(
        "chat.explain.row",
        locale,
        at=row.get("at"),
        kind=_word("kind", row.get("kind"), locale),
        campaign=row.get("campaign"),
        by=row.get("asked_by"),
        why=row.get("why"),
        status=_word("status", row.get("status"), locale),
    )
    if findings := row.get("findings"):
        text += " " + _say("chat.explain.findings", locale, findings=" ".join(map(str, findings)))
    if evidence := row.get("evidence"):
        shown = "; ".join(
            ", ".join(f"{k} {_figure(v, locale)}" for k, v in e.items()) for e in cast(list[dict[str, Any]], evidence)[:3]
        )
        text += " " + _say("chat.explain.evidence", locale, evidence=shown)
    if outcome := row.get("outcome"):
        text += " " + _say("chat.explain.outcome", locale, outcome=outcome)
    return _cite(text, row)


def _outcomes(data: dict[str, Any], locale: str) -> str:
    lines = [
        "- "
        + _cite(
            _say(
                "chat.outcome.row",
                locale,
                at=r.get("at"),
                kind=_word("kind", r.get("kind"), locale),
                campaign=r.get("campaign"),
                outcome=r.get("message"),
            ),
            r,
        )
        for r in as_rows(data)
    ]
    return "\n".join([str(data.get("summary")), *lines])


def _figure(value: Any, locale: str) -> str:
    """A decimal that JSON turned into text is written as a number again; whole numbers may be ids and stay as they are."""
    decimal = isinstance(value, str) and re.fullmatch(r"-?\d+\.\d+", value)
    return format_value(value, locale, "number" if decimal else None)


def _gate(data: dict[str, Any], locale: str) -> str:
    gate = data.get("gate")
    if not isinstance(gate, dict):
        return _say("status.unknown", locale)
    said = cast(dict[str, Any], gate)
    return " ".join([str(said.get("message", "")), *map(str, said.get("findings") or ())]).strip()


def _gate_ref(data: dict[str, Any]) -> dict[str, Any]:
    gate = data.get("gate")
    action = cast(dict[str, Any], gate).get("action_id") if isinstance(gate, dict) else None
    return {"ref": f"action:{action}" if action else data.get("ref")}


def _summary(data: dict[str, Any], locale: str) -> str:
    head = _say(
        "chat.summary.head",
        locale,
        day=data.get("day"),
        spend=data.get("spend"),
        cap=data.get("daily_cap"),
        revenue=data.get("revenue"),
        approvals=data.get("pending_approvals"),
        alerts=len(data.get("open_alerts") or ()),
        leads=data.get("new_leads"),
        hot=data.get("hot_leads"),
    )
    lines = [_cite(head, data), *(f"- {alert}" for alert in data.get("open_alerts") or ())]
    lines += _performance(as_rows(data.get("campaigns")), locale)
    decisions = [f"- {_decision(row, locale)}" for row in as_rows(data.get("decisions"))]
    lines += [_say("chat.summary.decisions", locale), *decisions] if decisions else [_say("chat.summary.no_decisions", locale)]
    return "\n".join(lines)


def products_text(rows: list[dict[str, Any]], locale: str) -> str:
    """Products as lines with their sources."""
    if not rows:
        return _say("chat.products.none", locale, asked=None)
    lines = [
        "- "
        + _cite(
            _say(
                "chat.products.row",
                locale,
                name=r.get("name"),
                price=r.get("price"),
                margin=r.get("margin"),
                contribution=r.get("contribution"),
            ),
            r,
        )
        for r in rows
    ]
    return "\n".join([_say("chat.products.head", locale), *lines])
