"""RequestKit: a manager's decisions about requests in the chat: yes, no, otherwise, later, now, back, stop.

The kit decides nothing and remembers nothing. Whatever spends, or is about several requests, is first shown and asked back
("confirm?"); the desk keeps that question, and only the same person's own yes in a later message performs it, by the gate's own
functions under the person's own role. No argument of a tool can say yes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Platform
from knowledge.domain.message import Message
from knowledge.domain.money import Money, total
from prompts.messages import DEFAULT_LOCALE, render
from tools.kits import Tool, amounts, as_json
from tools.kits.media import CampaignRow, resolve
from tools.kits.media import _words as words  # pyright: ignore[reportPrivateUsage]

MOST = 50
"""Requests in one batch, as in the cockpit."""
MAX_REASON = 500
AT_ONCE = frozenset({"reject", "extend", "withdraw", "stop"})
"""Done without asking back when the manager's own words order it: none of these spends."""
Command = Literal["approve", "reject", "edit", "extend", "act_early", "withdraw", "undo", "undo_cause", "stop", "lift"]
Scope = Literal["all", "platform", "campaign"]
_LAST = re.compile(r"^(?:o |a |os |as |the )?(?:ultim[oa]s?|last|latest|newest|mais recente)\b", re.IGNORECASE)
_ID = re.compile(r"^#?([0-9a-f]{3,8}(?:-[0-9a-f-]{0,27})?|[0-9a-f]{32})$", re.IGNORECASE)
_PLATFORMS: dict[str, Platform] = {
    "meta": "meta", "facebook": "meta", "instagram": "meta", "tiktok": "tiktok", "google": "google", "linkedin": "linkedin",
}  # fmt: skip


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Named(_Row):
    """One action as it is listed. `short` is the beginning of the id that names it among the others."""

    id: str
    short: str
    title: str
    status: str
    campaign_id: str | None
    campaign: str | None
    platform: Platform | None
    at: datetime


class RequestRow(_Named):
    """A request that waits, or an action whose grace runs. `lines` are what a person must read to decide, in the locale."""

    lines: tuple[str, ...]
    until: datetime
    exposure: Money | None
    before: Money | None
    currency: str
    editable: bool
    fingerprint: str


class ChangeRow(_Named):
    """An action of the ledger. `cause` is what it has in common with others that were decided together."""

    cause: str | None
    taken_back: bool
    """Whether it was undone since, or is an undo itself: "the last change" is then the one before."""


class StopRow(_Row):
    """A stop in force, in words."""

    id: str
    scope: str
    target: str | None
    text: str


class Target(_Row):
    """What a plan is about, as it was shown: the arguments by their fingerprint, and the budget that stood before them."""

    id: str
    title: str
    fingerprint: str | None = None
    before: Money | None = None


class Plan(_Row):
    """One decision with everything that the gate needs but who decides."""

    command: Command
    targets: tuple[Target, ...] = ()
    reason: str = ""
    hours: int = 0
    amount: Money | None = None
    cause: str | None = None
    scope: Scope = "all"
    scoped_to: str | None = None


class Word(_Row):
    """The gate's answer about one target."""

    title: str
    ok: bool
    message: Message
    findings: tuple[Message, ...] = ()
    action_id: str | None = None


class RequestDesk(Protocol):
    """Reads of the queue and the ledger, and the way to the gate. One instance per message: it knows who wrote it and what."""

    @property
    def time_zone(self) -> str: ...
    def ordered(self, command: Command) -> bool:
        """Whether the person's own words, read by rule, order this. Quotes, questions and a model's wish do not."""
        ...

    def hopeless(self, plan: Plan) -> bool:
        """Whether the gate can only say no to this person, so that there is nothing to confirm."""
        ...

    async def campaigns(self) -> Sequence[CampaignRow]: ...
    async def requests(self) -> Sequence[RequestRow]:
        """Most pressing first; those whose grace runs after those that wait."""
        ...

    async def changes(self) -> Sequence[ChangeRow]:
        """What was asked for or done with campaigns, newest first."""
        ...

    async def of_cause(self, cause: str) -> Sequence[ChangeRow]: ...
    async def stops(self) -> Sequence[StopRow]: ...
    async def edit_preview(self, target: Target, amount: Money) -> Word:
        """What the rules would say. Changes nothing."""
        ...

    async def undo_preview(self, target: Target) -> Word:
        """Whether it can be undone now and by what, or why not. Changes nothing."""
        ...

    async def decide(self, plan: Plan) -> Sequence[Word]:
        """By the gate's own functions, under the person's own role."""
        ...

    async def ask(self, plan: Plan, text: str) -> datetime | None:
        """Keeps the question for the person's yes, until a moment; None when something else is being asked already."""
        ...

    async def confirmed(self) -> Plan | None:
        """The plan that this message says yes to, taken once; None when the message is no yes, or nothing is being asked."""
        ...

    def show(self, text: str) -> None:
        """What the person must read word for word, whatever a model makes of it."""
        ...


T = TypeVar("T", bound=_Named)


class RequestKit:
    """One instance per message. Every answer is `{"say": sentence}`, to be repeated as it is."""

    def __init__(self, desk: RequestDesk, *, locale: str = DEFAULT_LOCALE) -> None:
        self._desk = desk
        self._locale = locale

    def tools(self) -> list[Tool]:
        """The methods a model is offered. Who may decide is the gate's to say, so they are the same for everybody."""
        return [
            self.list_approvals, self.approve_request, self.approve_all, self.reject_request, self.reject_all, self.edit_request,
            self.extend_request, self.act_early, self.withdraw_request, self.undo, self.undo_everything, self.stop_everything,
            self.stop_part, self.lift_stop, self.confirm,
        ]  # fmt: skip

    # -- reading -------------------------------------------------------------------------------------------------------------

    async def list_approvals(self) -> str:
        """Requests that wait for a manager, and changes that will be done when their grace ends."""
        rows = await self._desk.requests()
        if not rows:
            return self._told(self._say("chat.approvals.none"))
        waiting = sum(row.status == "waiting" for row in rows)
        return self._told("\n".join([self._say("chat.approvals.head", count=waiting), *(self._full(row) for row in rows)]))

    # -- yes -----------------------------------------------------------------------------------------------------------------

    async def approve_request(self, request: str = "") -> str:
        """Show one request and ask the manager to confirm its approval. This approves nothing by itself.

        Args:
            request: its short id, the campaign's name, or "last"; leave empty when the manager named none.
        """
        found = await self._one(request, "waiting")
        return found if isinstance(found, str) else await self._decide(_plan("approve", [found]), [self._full(found)])

    async def approve_all(self, campaign: str = "") -> str:
        """Show every waiting request with the total worst case, and ask the manager once to confirm. Approves nothing by itself.

        Args:
            campaign: only those of this campaign, as the manager wrote it; leave empty for all.
        """
        return await self._all("approve", campaign, "")

    # -- no ------------------------------------------------------------------------------------------------------------------

    async def reject_request(self, request: str = "", reason: str = "") -> str:
        """Reject one request with the manager's reason.

        Args:
            request: its short id, the campaign's name, or "last"; leave empty when the manager named none.
            reason: why, in the manager's own words; leave empty when the manager gave none, never invent one.
        """
        return await self._with_reason("reject", request, reason, "waiting")

    async def reject_all(self, reason: str = "", campaign: str = "") -> str:
        """Show every waiting request and ask the manager once to confirm their rejection.

        Args:
            reason: why, in the manager's own words; leave empty when the manager gave none.
            campaign: only those of this campaign; leave empty for all.
        """
        if not reason.strip() and not self._desk.hopeless(Plan(command="reject")):
            return self._told(self._say("chat.reason_missing.reject"))
        return await self._all("reject", campaign, reason)

    async def withdraw_request(self, request: str = "", reason: str = "") -> str:
        """Take a waiting request, or a change whose grace runs, back.

        Args:
            request: its short id, the campaign's name, or "last"; leave empty when the manager named none.
            reason: why, in the manager's own words; leave empty when the manager gave none, never invent one.
        """
        return await self._with_reason("withdraw", request, reason, "waiting", "scheduled")

    # -- otherwise, later, now -----------------------------------------------------------------------------------------------

    async def edit_request(self, daily_budget: str, request: str = "", reason: str = "") -> str:
        """Show what the rules say to a request with another daily budget, and ask the manager to confirm the edit.

        Args:
            daily_budget: the new daily budget, such as "80.00"; with the currency that the manager named, if any, such as "60.00 USD".
            request: its short id, the campaign's name, or "last"; leave empty when the manager named none.
            reason: why, in the manager's own words, if any.
        """
        found = await self._one(request, "waiting")
        if isinstance(found, str):
            return found
        if not found.editable:
            return self._told(self._say("chat.edit.no_budget", title=self._title(found)))
        amount, wrong = amounts.money(daily_budget, found.currency, "plain")
        if amount is None or wrong is not None:
            return self._told(self._render(amounts.refusal(wrong or "amount", daily_budget, found.currency, "plain")))
        plan = _plan("edit", [found], amount=amount, reason=reason[:MAX_REASON])
        if self._desk.hopeless(plan):
            return await self._perform(plan)
        word = await self._desk.edit_preview(plan.targets[0], amount)
        lines = [self._full(found), self._say("chat.edit.to", amount=amount), self._word(word, with_title=False)]
        return await self._decide(plan, lines) if word.ok else self._shown("\n".join(lines))

    async def extend_request(self, hours: int = 0, request: str = "") -> str:
        """Give a waiting request more time before it expires, or a scheduled change a longer grace.

        Args:
            hours: how many hours more; 0 when the manager did not say.
            request: its short id, the campaign's name, or "last"; leave empty when the manager named none.
        """
        if hours < 1:
            return self._told(self._say("chat.hours_missing"))
        found = await self._one(request, "waiting", "scheduled")
        if isinstance(found, str):
            return found
        plan = _plan("extend", [found], hours=hours)
        return await self._decide(plan, [self._full(found), self._say("chat.extend.by", hours=hours)], sure=_sure(request, found))

    async def act_early(self, request: str = "") -> str:
        """Show a change whose grace runs, and ask the manager to confirm that it is done now.

        Args:
            request: its short id, the campaign's name, or "last"; leave empty when the manager named none.
        """
        found = await self._one(request, "scheduled")
        return found if isinstance(found, str) else await self._decide(_plan("act_early", [found]), [self._full(found)])

    # -- back ----------------------------------------------------------------------------------------------------------------

    async def undo(self, change: str = "", reason: str = "") -> str:
        """Show what undoing one done change would restore, and ask the manager to confirm; or say why it cannot be undone.

        Args:
            change: its short id, the campaign's name, or "last"; empty for the last change of all.
            reason: why, in the manager's own words, if any.
        """
        found = await self._change(change)
        if isinstance(found, str):
            return found
        plan = _plan("undo", [found], reason=reason[:MAX_REASON])
        if self._desk.hopeless(plan):
            return await self._perform(plan)
        word = await self._desk.undo_preview(plan.targets[0])
        if not word.ok:
            return self._shown(self._word(word))
        return await self._decide(plan, [self._dated(found), self._word(word, with_title=False)])

    async def undo_everything(self, change: str = "", reason: str = "") -> str:
        """Show what undoing everything of one cause (one decision, one command) would restore, and ask the manager to confirm.

        Args:
            change: the short id of any change of that cause, the campaign's name, or "last"; empty for the last change of all.
            reason: why, in the manager's own words, if any.
        """
        found = await self._change(change)
        if isinstance(found, str):
            return found
        if found.cause is None:
            return await self.undo(found.id, reason)
        rows = [row for row in await self._desk.of_cause(found.cause) if row.status == "done"]
        plan = _plan("undo_cause", rows, reason=reason[:MAX_REASON], cause=found.cause)
        if self._desk.hopeless(plan) or not rows:
            return await self._perform(plan) if rows else await self.undo(found.id, reason)
        said = [await self._desk.undo_preview(target) for target in plan.targets]
        lines = [self._say("chat.undo.cause", count=len(rows)), *(f"- {self._word(word)}" for word in said)]
        return await self._decide(plan, lines) if any(word.ok for word in said) else self._shown("\n".join(lines))

    # -- stop ----------------------------------------------------------------------------------------------------------------

    async def stop_everything(self, reason: str = "") -> str:
        """The emergency stop: nothing is written to the outside until a person resumes it. Only when the manager clearly orders it.

        Args:
            reason: the manager's own words.
        """
        return await self._decide(Plan(command="stop", reason=reason[:MAX_REASON]), [self._say("chat.stop.all")], sure=True)

    async def stop_part(self, where: str, reason: str = "") -> str:
        """Freeze one platform or one campaign: nothing is written there until a person resumes it. What runs there goes on
        running; to stop a campaign's ads use propose_pause.

        Args:
            where: the platform (meta, tiktok, google, linkedin) or the campaign's name as the manager wrote it.
            reason: the manager's own words.
        """
        platform = next((_PLATFORMS[word] for word in words(where) if word in _PLATFORMS and len(words(where)) == 1), None)
        if platform is not None:
            plan = Plan(command="stop", reason=reason[:MAX_REASON], scope="platform", scoped_to=platform)
            return await self._decide(plan, [self._say("chat.stop.platform", platform=platform)], sure=True)
        known = list(await self._desk.campaigns())
        found = resolve(where, known)
        if len(found) != 1:
            names = [f"{row.name} ({row.platform})" for row in found or known[:10]]
            asked = "chat.ambiguous" if found else "chat.not_found"
            return self._told(self._say(asked if names else "chat.no_campaigns", asked=where, names=names))
        plan = Plan(command="stop", reason=reason[:MAX_REASON], scope="campaign", scoped_to=found[0].id)
        named = set(words(where)) <= {*words(found[0].name), found[0].platform}
        return await self._decide(plan, [self._say("chat.stop.campaign", campaign=found[0].name)], sure=named)

    async def lift_stop(self, where: str = "") -> str:
        """Show the stop in force and ask the manager to confirm that it is lifted.

        Args:
            where: the platform or campaign that was frozen, as the manager wrote it; leave empty for the only stop.
        """
        stops = list(await self._desk.stops())
        if where.strip():
            known = {row.id for row in resolve(where, list(await self._desk.campaigns()))}
            known |= {_PLATFORMS[word] for word in words(where) if word in _PLATFORMS}
            stops = [stop for stop in stops if stop.target in known]
        if not stops:
            return self._told(self._say("chat.lift.none"))
        if len(stops) > 1:
            return self._told("\n".join([self._say("chat.lift.which"), *(f"- {stop.text}" for stop in stops)]))
        plan = Plan(command="lift", targets=(Target(id=stops[0].id, title=stops[0].text),))
        return await self._decide(plan, [stops[0].text])

    # -- the manager's word --------------------------------------------------------------------------------------------------

    async def confirm(self) -> str:
        """Call this when the manager's whole message is a yes ("sim", "confirmo", "yes", "confirm"). The house itself checks that
        the message is a yes, whose it is, and what was shown before; a wish of yours confirms nothing."""
        plan = await self._desk.confirmed()
        return self._told(self._say("chat.confirm.nothing")) if plan is None else await self._perform(plan)

    # -- finding -------------------------------------------------------------------------------------------------------------

    async def _one(self, named: str, *statuses: str) -> RequestRow | str:
        """The request that is meant, or what to answer: the candidates, or that there is none."""
        rows = [row for row in await self._desk.requests() if row.status in statuses]
        found = await self._meant(named, rows)
        if len(found) == 1:
            return found[0]
        if not rows:
            return self._told(self._say("chat.approvals.none" if "waiting" in statuses else "chat.scheduled.none"))
        head = self._say("chat.request.which") if found else self._say("chat.request.not_found", asked=named)
        return self._told("\n".join([head, *(f"- {self._brief(row)}" for row in (found or rows)[:10])]))

    async def _change(self, named: str) -> ChangeRow | str:
        rows = list(await self._desk.changes())
        by_id = [row for row in rows if _is_id(named, row.id)]
        done = [row for row in rows if row.status == "done" and not row.taken_back]
        found = by_id or await self._meant(named, done)
        if not by_id and found and len({row.campaign_id for row in found}) == 1:
            found = found[:1]  # the campaign's last change
        if len(found) == 1:
            return found[0]
        if not found:
            return self._told(self._say("chat.change.not_found", asked=named) if done else self._say("chat.change.none"))
        if not named.strip():
            return found[0]
        return self._told("\n".join([self._say("chat.change.which"), *(f"- {self._dated(row)}" for row in found[:10])]))

    async def _meant(self, named: str, rows: Sequence[T]) -> list[T]:
        """The rows that a person may mean. What is both a short id and a campaign's name means both."""
        wanted = named.strip()
        if not wanted:
            return list(rows)
        if last := _LAST.match(_bare(wanted)):
            kept = await self._meant(wanted[last.end() :], rows)
            return sorted(kept, key=lambda row: row.at, reverse=True)[:1]
        known = {row.id: row for row in await self._desk.campaigns()}
        for row in rows:  # a campaign that is only asked for has no place in the list of campaigns yet
            if row.campaign_id is not None and row.campaign is not None and row.platform is not None:
                known.setdefault(
                    row.campaign_id,
                    CampaignRow(
                        id=row.campaign_id, name=row.campaign, platform=row.platform, status=row.status, daily_budget=None, ref=""
                    ),
                )
        campaigns = {row.id for row in resolve(wanted, list(known.values()))}
        found = [row for row in rows if _is_id(wanted, row.id) or row.campaign_id in campaigns]
        # Where an id fits, a name that is only like it does not.
        return [row for row in found if _sure(wanted, row)] if any(_is_id(wanted, row.id) for row in found) else found

    # -- deciding ------------------------------------------------------------------------------------------------------------

    async def _with_reason(self, command: Literal["reject", "withdraw"], request: str, reason: str, *statuses: str) -> str:
        if not reason.strip() and not self._desk.hopeless(Plan(command=command)):
            return self._told(self._say(f"chat.reason_missing.{command}"))
        found = await self._one(request, *statuses)
        if isinstance(found, str):
            return found
        plan = _plan(command, [found], reason=reason.strip()[:MAX_REASON])
        lines = [self._full(found), self._say("chat.reason", reason=plan.reason)]
        return await self._decide(plan, lines, sure=_sure(request, found))

    async def _all(self, command: Literal["approve", "reject"], campaign: str, reason: str) -> str:
        rows = [row for row in await self._desk.requests() if row.status == "waiting"]
        found = await self._meant(campaign, rows)
        if not found:
            none = self._say("chat.request.not_found", asked=campaign) if rows else self._say("chat.approvals.none")
            return self._told("\n".join([none, *(f"- {self._brief(row)}" for row in rows[:10])]))
        if len(found) == 1:
            plan = _plan(command, found, reason=reason.strip()[:MAX_REASON])
            return await self._decide(
                plan, [self._full(found[0]), *([self._say("chat.reason", reason=plan.reason)] if reason else [])]
            )
        if len(found) > MOST:
            return self._told(self._say("chat.batch.many", count=len(found), most=MOST))
        lines = [self._say(f"chat.batch.{command}", count=len(found)), *(self._full(row) for row in found)]
        spends = [row.exposure for row in found if row.exposure is not None]
        if command == "approve" and spends:
            lines.append(self._say("chat.batch.worst", worst=total(spends, spends[0].currency)))
        if reason:
            lines.append(self._say("chat.reason", reason=reason))
        return await self._decide(_plan(command, found, reason=reason.strip()[:MAX_REASON]), lines)

    async def _decide(self, plan: Plan, lines: Sequence[str], *, sure: bool = False) -> str:
        """At once where that is safe and ordered by the person's own words, else after their yes to what is shown here."""
        direct = sure and plan.command in AT_ONCE and self._desk.ordered(plan.command)
        if direct or self._desk.hopeless(plan):
            return await self._perform(plan)
        text = "\n".join([self._say(f"chat.ask.{plan.command}"), *lines])
        until = await self._desk.ask(plan, text)
        if until is None:
            return self._told(self._say("chat.confirm.one_at_a_time"))
        return self._shown(f"{text}\n\n{self._say('chat.confirm.question', until=until)}")

    async def _perform(self, plan: Plan) -> str:
        said = [self._word(word) for word in await self._desk.decide(plan)]
        return self._shown("\n".join(said if len(said) == 1 else [f"- {line}" for line in said]))

    # -- words ---------------------------------------------------------------------------------------------------------------

    def _say(self, message_id: str, **params: Any) -> str:
        return self._render(Message(id=message_id, params=params))

    def _render(self, message: Message) -> str:
        return render(message, self._locale, self._desk.time_zone)

    def _title(self, row: _Named) -> str:
        return f"{row.short} · {row.title}"

    def _brief(self, row: RequestRow) -> str:
        return " ".join([self._title(row) + ".", *row.lines[:1], self._until(row), f"[actions:{row.id}]"])

    def _full(self, row: RequestRow) -> str:
        lines = [f"{self._title(row)} [actions:{row.id}]", *row.lines, self._until(row)]
        return "\n• ".join(lines)

    def _until(self, row: RequestRow) -> str:
        return self._say("chat.request.until" if row.status == "waiting" else "chat.request.grace", until=row.until)

    def _dated(self, row: ChangeRow) -> str:
        return f"{self._title(row)} ({self._say('chat.change.at', at=row.at)}) [actions:{row.id}]"

    def _word(self, word: Word, *, with_title: bool = True) -> str:
        parts = [self._render(word.message), *(self._render(finding) for finding in word.findings)]
        text = " ".join(parts)
        if not with_title:
            return text
        cited = f" [actions:{word.action_id}]" if word.action_id else ""
        return f"{word.title}: {text}{cited}" if word.title else text + cited

    def _told(self, text: str) -> str:
        return as_json({"say": text}, self._locale)

    def _shown(self, text: str) -> str:
        self._desk.show(text)
        return self._told(text)


def _plan(command: Command, rows: Sequence[_Named], **more: Any) -> Plan:
    targets = [
        Target(
            id=row.id,
            title=f"{row.short} · {row.title}",
            fingerprint=row.fingerprint if isinstance(row, RequestRow) else None,
            before=row.before if isinstance(row, RequestRow) else None,
        )
        for row in rows
    ]
    return Plan(command=command, targets=tuple(targets), **more)


def _bare(text: str) -> str:
    """Without accents, position by position where the text is composed."""
    return text.translate(str.maketrans("ÚúÍíÁáÂâÃãÉéÊêÓóÔôÕõÇç", "UuIiAaAaAaEeEeOoOoOoCc"))


def _is_id(named: str, action_id: str) -> bool:
    found = _ID.match(named.strip())
    return found is not None and action_id.replace("-", "").startswith(found[1].lower().replace("-", ""))


def _sure(named: str, row: _Named) -> bool:
    """Whether a request was named by its id, by its campaign's own words, or by being the only one; not by a likeness."""
    wanted: Callable[[str], list[str]] = words
    rest = _LAST.sub("", _bare(named.strip()))
    return _is_id(named, row.id) or set(wanted(rest)) <= {*wanted(row.campaign or ""), row.platform or ""}
